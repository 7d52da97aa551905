// SPDX-License-Identifier: GPL-2.0-only
//! `nfsd-check replay --step`: the terminal of the view in [`crate::report::stepping`].

use crate::report::stepping::{Key, Stepping};
use ratatui::crossterm::{
    event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    execute, queue,
    terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use std::io::{self, IsTerminal as _};

/// Whether there is a terminal to step in: why not, where there is none.
pub(super) fn terminal() -> Result<(), String> {
    let missing = match (io::stdin().is_terminal(), io::stdout().is_terminal()) {
        (true, true) => return Ok(()),
        (false, true) => "stdin is",
        (true, false) => "stdout is",
        (false, false) => "stdin and stdout are",
    };
    Err(format!(
        "--step needs a terminal, and {missing} none; --format text prints all steps"
    ))
}

/// Shows it until it is left.
pub(super) fn step(stepping: &mut Stepping) -> io::Result<()> {
    // Also restores the terminal where this panics.
    let mut terminal = ratatui::try_init()?;
    let result = (|| {
        loop {
            // A terminal that knows these shows a whole frame at once.
            queue!(io::stdout(), BeginSynchronizedUpdate)?;
            terminal.draw(|frame| stepping.draw(frame))?;
            execute!(io::stdout(), EndSynchronizedUpdate)?;
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
                && let Some(key) = meaning(key)
                && !stepping.press(key)
            {
                return Ok(());
            }
        }
    })();
    let restored = ratatui::try_restore();
    result.and(restored)
}

fn meaning(key: KeyEvent) -> Option<Key> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Key::Quit);
    }
    Some(match key.code {
        KeyCode::Right | KeyCode::Down | KeyCode::Char('j' | 'n' | ' ') => Key::Next,
        KeyCode::Left | KeyCode::Up | KeyCode::Char('k' | 'p') => Key::Previous,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::Home => Key::Home,
        KeyCode::End | KeyCode::Char('G') => Key::End,
        KeyCode::Char('m') => Key::Mark,
        KeyCode::Char('J') => Key::ObjectsDown,
        KeyCode::Char('K') => Key::ObjectsUp,
        KeyCode::Char('g') => Key::GoTo,
        KeyCode::Char(digit @ '0'..='9') => Key::Digit(digit as u8 - b'0'),
        KeyCode::Backspace => Key::Erase,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Char('q') => Key::Quit,
        _ => return None,
    })
}
