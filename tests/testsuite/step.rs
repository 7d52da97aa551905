// SPDX-License-Identifier: GPL-2.0-only
//! `replay --step` in a pseudo-terminal.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::{
    io::{Read, Write},
    num::NonZero,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_nfsd-check");
const RIGHT: &str = "\x1b[C";
const LEFT: &str = "\x1b[D";
const HOME: &str = "\x1b[H";
const END: &str = "\x1b[F";
/// The end of a synchronized update.
const FRAME_END: &[u8] = b"\x1b[?2026l";

/// A counterexample, and where it is.
fn counterexample(dir: &Path) -> PathBuf {
    let run = Command::new(BINARY)
        .args(["run", "put-order", "--model", "v2-8of9", "--out"])
        .arg(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1));
    dir.join("put-order-v2-8of9-use-after-destroy.json")
}

struct Session {
    screen: Arc<Mutex<vt100::Parser>>,
    input: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    /// Closes the terminal when dropped.
    _master: Box<dyn MasterPty + Send>,
}

impl Session {
    fn new(file: &Path, columns: u16, rows: u16) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(BINARY);
        command.arg("replay");
        command.arg(file);
        command.arg("--step");
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(
            NonZero::new(rows).unwrap(),
            NonZero::new(columns).unwrap(),
            0,
        )));
        let mut output = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            let mut unshown = Vec::new();
            // Whole frames only.
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                unshown.extend_from_slice(&buffer[..length]);
                if let Some(end) = unshown
                    .windows(FRAME_END.len())
                    .rposition(|w| w == FRAME_END)
                {
                    let frames = unshown.drain(..end + FRAME_END.len());
                    shown.lock().unwrap().process(frames.as_slice());
                }
            }
            shown.lock().unwrap().process(&unshown);
        });
        Self {
            screen,
            input: pair.master.take_writer().unwrap(),
            child,
            _master: pair.master,
        }
    }

    fn press(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// The screen, as soon as it has what is asked for.
    fn shows(&self, what: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            // Blanks that were written and those that were not look the same.
            let text = self.screen.lock().unwrap().screen().contents();
            let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
            let text = lines.join("\n");
            if what(&text) {
                return text;
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "not shown:\n{text}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_at(&self, step: usize) -> String {
        self.shows(|text| text.contains(&format!(": step {step} of ")))
    }

    fn ends_with(mut self) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            if start.elapsed() > Duration::from_secs(60) {
                self.child.kill().unwrap();
                panic!("it does not end");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn it_steps_forward_and_back() {
    let dir = TempDir::new().unwrap();
    let file = counterexample(dir.path());
    let mut session = Session::new(&file, 80, 24);
    let beginning = session.is_at(0);
    assert!(beginning.contains("put-order on v2-8of9: step 0 of "));
    // The keys, the steps and the state are there at this size.
    for part in [
        "right/j/n next",
        "Home/End",
        "g go to step",
        "q quit",
        "the setup is over",
        "iocb->localio: set",
    ] {
        assert!(beginning.contains(part), "{part}:\n{beginning}");
    }
    assert!(beginning.lines().all(|line| line.chars().count() <= 80));

    let mut pages = vec![beginning];
    for (key, at) in [("j", 1), ("n", 2), (RIGHT, 3)] {
        session.press(key);
        pages.push(session.is_at(at));
    }
    for (key, at) in [("k", 2), ("p", 1), (LEFT, 0)] {
        session.press(key);
        session.is_at(at);
        session.shows(|text| text == pages[at]);
    }

    session.press(END);
    let end = session.shows(|text| text.contains("BUG: "));
    let heading = end.lines().next().unwrap();
    let last: usize = heading.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(heading.contains(&format!("step {last} of {last}")));
    assert!(end.contains("<--"));
    session.press(RIGHT);
    session.press("g7\r");
    session.is_at(7);
    session.press("g999\r");
    session.shows(|text| text.contains("There is no step 999"));
    session.is_at(7);
    session.press("m");
    session.shows(|text| !text.contains(": step 7 of "));

    // What changes is marked: every change says what it was and what it is.
    session.press(HOME);
    session.is_at(0);
    let mut changes = 0;
    for at in 1..=last {
        session.press(RIGHT);
        let text = session.is_at(at);
        let marked: Vec<&str> = text.lines().filter(|line| line.contains("│*")).collect();
        assert!(marked.len() <= 1, "{text}");
        changes += marked.len();
        for line in marked {
            assert!(line.contains(" -> ") || line.contains(".."), "{line}");
        }
    }
    assert!(changes > last / 4, "{changes} of {last}");
    session.press("q");
    assert_eq!(session.ends_with(), 1);
}

#[test]
fn an_interrupt_leaves_it_and_the_terminal_is_as_it_was() {
    let dir = TempDir::new().unwrap();
    let file = counterexample(dir.path());
    let mut session = Session::new(&file, 120, 40);
    session.is_at(0);
    assert!(session.screen.lock().unwrap().screen().alternate_screen());
    session.press("\x03");
    let screen = Arc::clone(&session.screen);
    assert_eq!(session.ends_with(), 1);
    let start = Instant::now();
    while screen.lock().unwrap().screen().alternate_screen() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let dir = TempDir::new().unwrap();
    let file = counterexample(dir.path());
    let replay = Command::new(BINARY)
        .arg("replay")
        .arg(&file)
        .arg("--step")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(replay.status.code(), Some(2));
    assert!(replay.stdout.is_empty());
    let error = String::from_utf8(replay.stderr).unwrap();
    assert!(error.contains("--step needs a terminal"), "{error}");
}

/// `cargo test step::picture -- --ignored` writes docs/step.svg, from what is on the screen.
#[test]
#[ignore = "writes docs/step.svg"]
fn picture() {
    let dir = TempDir::new().unwrap();
    let file = counterexample(dir.path());
    let mut session = Session::new(&file, 100, 32);
    session.is_at(0);
    session.press("m");
    session.shows(|text| !text.contains(": step 0 of "));
    let screen = session.screen.lock().unwrap();
    let picture = svg(screen.screen());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/step.svg");
    std::fs::write(path, picture).unwrap();
}

fn svg(screen: &vt100::Screen) -> String {
    const WIDTH: f32 = 8.4;
    const HEIGHT: u16 = 18;
    let (rows, columns) = screen.size();
    let (rows, columns) = (u16::from(rows), u16::from(columns));
    let (width, height) = (f32::from(columns) * WIDTH + 16.0, rows * HEIGHT + 16);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#1c1c1c\"/>\n"
    );
    for row in 0..rows {
        // Runs of cells that look the same.
        let mut column = 0;
        while column < columns {
            let style = |column| {
                let cell = screen.cell(row, column).unwrap();
                (cell.fgcolor(), cell.bold(), cell.dim(), cell.inverse())
            };
            let first = style(column);
            let begin = column;
            let mut text = String::new();
            while column < columns && style(column) == first {
                let contents = screen.cell(row, column).unwrap().contents();
                text.push_str(if contents.is_empty() { " " } else { contents });
                column += 1;
            }
            let (colour, bold, dim, inverse) = first;
            if text.trim().is_empty() && !inverse {
                continue;
            }
            let colour = match colour {
                vt100::Color::Idx(1 | 9) => "#ff6b68",
                vt100::Color::Idx(3 | 11) => "#e5c07b",
                _ if dim => "#9a9a9a",
                _ => "#e4e4e4",
            };
            let x = f32::from(begin) * WIDTH + 8.0;
            let y = row * HEIGHT + 8;
            let long = f32::from(column - begin) * WIDTH;
            let mut fill = colour;
            if inverse {
                svg += &format!(
                    "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{long:.1}\" height=\"{HEIGHT}\" \
                     fill=\"{colour}\"/>\n"
                );
                fill = "#1c1c1c";
            }
            let weight = if bold { " font-weight=\"bold\"" } else { "" };
            let text = text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            svg += &format!(
                "<text x=\"{x:.1}\" y=\"{}\" fill=\"{fill}\"{weight} textLength=\"{long:.1}\" \
                 lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\">{text}</text>\n",
                y + 14
            );
        }
    }
    svg + "</svg>\n"
}
