// SPDX-License-Identifier: GPL-2.0-only
//! An interleaving to step through in a terminal: the steps, beside them what every object is
//! after the current one, and below what that does. What it changed is marked.
//!
//! Here is what is shown and what a key does. Whoever has the terminal reads the keys.

use super::{
    form::Story,
    order::Order,
    state::States,
    telling::{Telling, Wait},
    text::{differences, headline, marked, plain, wrap},
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Paragraph},
};
use std::collections::BTreeMap;

/// A key that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// One step forward.
    Next,
    /// One step back.
    Previous,
    /// Many steps forward.
    PageDown,
    /// Many steps back.
    PageUp,
    /// To before the first step.
    Home,
    /// To the last step.
    End,
    /// To the next step that the violation is about, or to the first one after the last.
    Mark,
    /// Scroll the objects down.
    ObjectsDown,
    /// Scroll the objects up.
    ObjectsUp,
    /// Ask for the number of a step to go to.
    GoTo,
    /// A digit of that number.
    Digit(u8),
    /// Take the last digit back.
    Erase,
    /// The number is complete.
    Enter,
    /// Leave the number, or else the view.
    Escape,
    /// Leave the view.
    Quit,
}

const KEYS: [&str; 2] = [
    "right/j/n next  left/k/p back  PgDn/PgUp 10  Home/End  g go to step",
    "m next marked <--  J/K scroll the objects  q quit",
];
const PAGE: usize = 10;
/// More digits than any step has.
const MOST_DIGITS: usize = 6;

#[derive(Clone, Debug)]
struct Row {
    context: String,
    functions: Vec<&'static str>,
    what: String,
    place: &'static str,
    object: Option<usize>,
    change: Option<(usize, String, String)>,
    after: Vec<usize>,
    marked: bool,
    /// It was not recorded.
    extra: bool,
}

/// What is shown.
#[derive(Clone, Debug)]
pub struct Stepping {
    title: String,
    ends_in: Option<(usize, String)>,
    /// What is said after so many steps, and at the end.
    note: Option<(usize, String)>,
    rows: Vec<Row>,
    /// By how many steps are done: the lines before the next one.
    before: BTreeMap<usize, Vec<String>>,
    objects: Vec<(String, String)>,
    /// How many steps are done.
    at: usize,
    number: Option<String>,
    /// The first object shown; `None` where the step's own has to be in sight.
    scrolled: Option<usize>,
    /// How many objects there was room for.
    room: usize,
    complaint: Option<String>,
}

impl Stepping {
    /// Of a counterexample that has been run again, before the first step.
    #[must_use]
    pub fn new(story: &Story) -> Self {
        let replay = &story.replay;
        let recording = &replay.recording;
        let telling = Telling::new(recording);
        let order = Order::new(recording);
        let states = States::new(recording);
        let mut marked = marked(replay);
        if let Some(pair) = story.why.as_ref().and_then(|why| why.pair) {
            marked.extend([pair.first, pair.second]);
        }
        let concurrent = recording.steps.iter().enumerate();
        let concurrent = concurrent.filter(|(_, step)| step.concurrent);
        let number: BTreeMap<usize, usize> =
            concurrent.zip(1..).map(|((at, _), n)| (at, n)).collect();
        let index: BTreeMap<&str, usize> = states
            .objects
            .iter()
            .map(|object| &*object.name)
            .zip(0..)
            .collect();
        let differences = differences(&story.counterexample, replay);
        let rows = number.iter().map(|(&at, &n)| {
            let step = &recording.steps[at];
            let sources = order.sources(at);
            let change = states.changes.get(&at);
            Row {
                context: step.context.clone(),
                functions: step.functions.clone(),
                what: telling.what(at),
                place: telling.place(at),
                object: index.get(&*step.object).copied(),
                change: change.map(|c| (c.object, c.before.clone(), c.after.clone())),
                after: sources
                    .iter()
                    .filter_map(|from| number.get(from).copied())
                    .collect(),
                marked: marked.contains(&at),
                extra: differences.extra.contains(&(n - 1)),
            }
        });
        let wait = Wait::after_the_steps(replay);
        let waits = wait.map(|wait| Row {
            context: wait.context.to_owned(),
            functions: wait.functions.to_vec(),
            what: wait.what,
            place: wait.place,
            object: index.get(wait.object).copied(),
            change: None,
            after: Vec::new(),
            marked: true,
            extra: false,
        });
        let is_wait = waits.is_some();
        let rows: Vec<Row> = rows.chain(waits).collect();
        let ends_in = replay.violation.as_ref().map(|violation| {
            let at = number.get(&violation.site.step).copied();
            let at = at.filter(|_| !is_wait);
            // What nobody notices before all is over is told with the last step.
            (at.unwrap_or(rows.len()), headline(violation))
        });
        let note = match (&replay.parted, &replay.violation) {
            (Some(parted), _) => {
                let at = differences.parted.unwrap_or(rows.len());
                let text = format!("After step {at} the two part: {}.", parted.now);
                Some((at, text))
            }
            (None, None) => Some((rows.len(), "The violation did not come about.".to_owned())),
            (None, Some(_)) => None,
        };
        Self {
            title: format!(
                "{} on {}",
                story.counterexample.scenario.name, story.model.name
            ),
            ends_in,
            note,
            rows,
            before: differences.before,
            objects: states
                .objects
                .into_iter()
                .map(|object| (object.name, object.initial))
                .collect(),
            at: 0,
            number: None,
            scrolled: None,
            room: 1,
            complaint: None,
        }
    }

    /// How many steps are done.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Does what a key says. Whether the view goes on.
    pub fn press(&mut self, key: Key) -> bool {
        self.complaint = None;
        if let Some(number) = &mut self.number {
            match key {
                Key::Digit(digit) if number.len() < MOST_DIGITS => {
                    number.push(char::from(b'0' + digit));
                }
                Key::Digit(_) => {}
                Key::Erase => {
                    number.pop();
                }
                Key::Enter => self.go_to_number(),
                Key::Quit => return false,
                _ => self.number = None,
            }
            return true;
        }
        let last = self.rows.len();
        match key {
            Key::Next => self.go_to((self.at + 1).min(last)),
            Key::Previous => self.go_to(self.at.saturating_sub(1)),
            Key::PageDown => self.go_to((self.at + PAGE).min(last)),
            Key::PageUp => self.go_to(self.at.saturating_sub(PAGE)),
            Key::Home => self.go_to(0),
            Key::End => self.go_to(last),
            Key::Mark => {
                let marks = self.rows.iter().zip(1..).filter(|(row, _)| row.marked);
                let marks: Vec<usize> = marks.map(|(_, number)| number).collect();
                let later = marks.iter().find(|&&number| number > self.at);
                match later.or(marks.first()) {
                    Some(&number) => self.go_to(number),
                    None => self.complaint = Some("No step is marked.".to_owned()),
                }
            }
            Key::ObjectsDown => self.scroll(1),
            Key::ObjectsUp => self.scroll(-1),
            Key::GoTo => self.number = Some(String::new()),
            Key::Escape | Key::Quit => return false,
            Key::Digit(_) | Key::Erase | Key::Enter => {}
        }
        true
    }

    fn go_to(&mut self, at: usize) {
        self.at = at;
        self.scrolled = None;
    }

    fn go_to_number(&mut self) {
        let number = self.number.take().unwrap_or_default();
        match number.parse::<usize>() {
            Ok(at) if at <= self.rows.len() => self.go_to(at),
            Ok(_) => {
                let last = self.rows.len();
                self.complaint = Some(format!("There is no step {number}: the last is {last}."));
            }
            Err(_) => {}
        }
    }

    fn scroll(&mut self, by: isize) {
        let first = self.first_object(self.room);
        let most = self.objects.len().saturating_sub(self.room);
        self.scrolled = Some(first.saturating_add_signed(by).min(most));
    }

    /// The first object to be shown, where there is room for so many.
    fn first_object(&self, room: usize) -> usize {
        let most = self.objects.len().saturating_sub(room);
        let own = self.current().and_then(|row| row.object).unwrap_or(0);
        let otherwise = own.saturating_sub(room / 2);
        self.scrolled.unwrap_or(otherwise).min(most)
    }

    /// The step that was done last.
    fn current(&self) -> Option<&Row> {
        self.rows.get(self.at.checked_sub(1)?)
    }

    /// What every object is after the current step.
    fn states(&self) -> Vec<&str> {
        let mut states: Vec<&str> = self.objects.iter().map(|(_, state)| &**state).collect();
        for row in &self.rows[..self.at] {
            if let Some((object, _, after)) = &row.change {
                states[*object] = after;
            }
        }
        states
    }

    /// Draws it.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        const DETAILS: u16 = 6;
        let keys = KEYS.len() as u16;
        let [title, middle, below, last] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Min(3),
            Constraint::Length(DETAILS),
            Constraint::Length(keys),
        ])
        .areas(frame.area());
        let [steps, objects] =
            Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(middle);
        let heading = format!("{}: step {} of {}", self.title, self.at, self.rows.len());
        let bold = Style::new().add_modifier(Modifier::BOLD);
        frame.render_widget(Line::styled(heading, bold), title);
        self.draw_steps(frame, steps);
        self.draw_objects(frame, objects);
        self.draw_details(frame, below);
        let dim = Style::new().add_modifier(Modifier::DIM);
        let keys: Vec<Line<'_>> = KEYS.iter().map(|keys| Line::styled(*keys, dim)).collect();
        frame.render_widget(Paragraph::new(keys), last);
    }

    fn draw_steps(&self, frame: &mut Frame<'_>, area: Rect) {
        let block = Block::bordered().title("Steps");
        let inner = block.inner(area);
        let width = usize::from(inner.width);
        let room = usize::from(inner.height);
        let contexts = self.rows.iter().map(|row| row.context.len());
        let column = contexts.max().unwrap_or(0).min(16);
        let digits = self.rows.len().to_string().len();
        let bad = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        let notes = |done: usize| {
            let notes = self.before.get(&done).into_iter().flatten();
            notes.map(|note| {
                let style = match note.starts_with("===") {
                    true => bad,
                    false => Style::new().add_modifier(Modifier::DIM),
                };
                Line::styled(cut(&format!(" {}", plain(note)), width), style)
            })
        };
        let line = |number: usize| {
            let (text, is_marked) = match number.checked_sub(1).map(|index| &self.rows[index]) {
                None => (format!("{:digits$} the setup is over", 0), false),
                Some(row) => {
                    let place = match row.place {
                        "" => String::new(),
                        place => format!("{place}: "),
                    };
                    let context = cut(&row.context, column);
                    let what = &row.what;
                    let extra = if row.extra { "+ " } else { "" };
                    let text = format!("{number:digits$} {context:column$} {extra}{place}{what}");
                    (text, row.marked)
                }
            };
            let cursor = if number == self.at { ">" } else { " " };
            let mark = if is_marked { " <--" } else { "" };
            let text = cut(&text, width.saturating_sub(1 + mark.len()));
            let mut style = Style::new();
            if is_marked {
                style = style.fg(Color::Red);
            }
            if number == self.at {
                style = style.add_modifier(Modifier::REVERSED);
            }
            Line::styled(format!("{cursor}{text}{mark}"), style)
        };
        // One more than there are steps: before the first one.
        let mut lines: Vec<Line<'_>> = Vec::new();
        let mut cursor = 0;
        for number in 0..=self.rows.len() {
            if number == self.at {
                cursor = lines.len();
            }
            lines.push(line(number));
            lines.extend(notes(number));
        }
        let most = lines.len().saturating_sub(room);
        let first = cursor.saturating_sub(room / 2).min(most);
        let lines: Vec<Line<'_>> = lines.into_iter().skip(first).take(room).collect();
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }

    fn draw_objects(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let inner = Block::bordered().inner(area);
        let width = usize::from(inner.width);
        let room = usize::from(inner.height);
        self.room = room.max(1);
        let first = self.first_object(room);
        let last = (first + room).min(self.objects.len());
        let title = format!(
            "State after it: {}-{last} of {}",
            first + 1,
            self.objects.len()
        );
        let states = self.states();
        let current = self.current();
        let change = current.and_then(|row| row.change.as_ref());
        let lines = (first..last).map(|index| {
            let name = &self.objects[index].0;
            let changed = change.filter(|(object, ..)| *object == index);
            let own = current.is_some_and(|row| row.object == Some(index));
            let (mark, state, style) = match changed {
                Some((_, before, after)) => (
                    "*",
                    format!("{before} -> {after}"),
                    Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
                ),
                None if own => (">", states[index].to_owned(), Style::new()),
                None => (" ", states[index].to_owned(), Style::new()),
            };
            // The state is what matters; the beginning of a long name is told below.
            let room = width.saturating_sub(state.chars().count() + 3);
            let name = end_of(name, room.max(8));
            let text = format!("{mark}{name}: {state}");
            Line::styled(cut(&text, width), style)
        });
        let lines: Vec<Line<'_>> = lines.collect();
        let block = Block::bordered().title(title);
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }

    fn draw_details(&self, frame: &mut Frame<'_>, area: Rect) {
        let width = usize::from(area.width).max(20);
        let bad = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        let mut lines: Vec<Line<'_>> = Vec::new();
        if let Some(number) = &self.number {
            lines.push(Line::from(vec![
                Span::raw("Go to step: "),
                Span::styled(
                    format!("{number}_"),
                    Style::new().add_modifier(Modifier::BOLD),
                ),
                Span::raw("  Enter: go there, Esc: stay"),
            ]));
        }
        let tell = |text: &str, style: Style, lines: &mut Vec<Line<'_>>| {
            let wrapped = wrap(&plain(text), width, 2);
            lines.extend(wrapped.into_iter().map(|text| Line::styled(text, style)));
        };
        let normal = Style::new();
        if let Some(complaint) = &self.complaint {
            lines.push(Line::styled(complaint.clone(), bad));
        }
        if let Some((at, text)) = &self.ends_in
            && *at == self.at
        {
            tell(text, bad, &mut lines);
        }
        if let Some((at, note)) = &self.note
            && [*at, self.rows.len()].contains(&self.at)
        {
            tell(note, normal, &mut lines);
        }
        match self.current() {
            None => tell(
                "The setup is over, and every interleaving counts from here.",
                normal,
                &mut lines,
            ),
            Some(row) => {
                tell(
                    &format!("{}: {}", row.context, row.what),
                    normal,
                    &mut lines,
                );
                if row.extra {
                    tell("+ only this model has this step", normal, &mut lines);
                }
                if let Some((object, before, after)) = &row.change {
                    let name = &self.objects[*object].0;
                    tell(
                        &format!("* {name}: {before} -> {after}"),
                        normal,
                        &mut lines,
                    );
                }
                if !row.functions.is_empty() {
                    tell(
                        &format!("in {}", row.functions.join(" > ")),
                        normal,
                        &mut lines,
                    );
                }
                if !row.after.is_empty() {
                    let steps: Vec<String> = row.after.iter().map(ToString::to_string).collect();
                    let word = if steps.len() == 1 { "step" } else { "steps" };
                    let text = format!("ordered after {word} {}", steps.join(", "));
                    tell(&text, normal, &mut lines);
                }
            }
        }
        frame.render_widget(Paragraph::new(lines), area);
    }
}

/// The text, or what of it there is room for.
fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => {
            let kept: String = text.chars().take(width.saturating_sub(2)).collect();
            format!("{kept}..")
        }
        false => text.to_owned(),
    }
}

/// The text, or what of its end there is room for.
fn end_of(text: &str, width: usize) -> String {
    let length = text.chars().count();
    match length > width {
        true => {
            let skipped = length - width.saturating_sub(2);
            let kept: String = text.chars().skip(skipped).collect();
            format!("..{kept}")
        }
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::program::program,
        engine::{Limits, dpor},
        library::Library,
        report::counterexample::Counterexample,
        sync::violation::ViolationKind,
    };
    use ratatui::{Terminal, backend::TestBackend};
    use std::sync::Arc;

    fn stepping() -> Stepping {
        let library = Library::builtin();
        let scenario = Arc::new(library.scenario("put-order").unwrap());
        let model = library.model("v2-8of9").unwrap();
        let found = dpor::explore(&program(&scenario, model.choices), &Limits::default());
        let c = Counterexample::new(&scenario, &model, "dpor", "sc", &found.findings[0]);
        Stepping::new(&Story::new(c, model, None, "x.json"))
    }

    fn shown(stepping: &mut Stepping, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| stepping.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn back_and_forth_comes_to_the_same() {
        let mut stepping = stepping();
        let last = stepping.rows.len();
        let mut forward = Vec::new();
        for at in 0..=last {
            assert_eq!(stepping.at(), at);
            forward.push(shown(&mut stepping, 80, 24));
            assert!(stepping.press(Key::Next));
        }
        assert_eq!(stepping.at(), last);
        for at in (0..=last).rev() {
            assert_eq!(stepping.at(), at);
            assert_eq!(shown(&mut stepping, 80, 24), forward[at]);
            assert!(stepping.press(Key::Previous));
        }
        assert!(forward.iter().any(|text| text.contains("│*")));
        assert!(forward.iter().any(|text| text.contains("BUG: ")));
    }

    /// A wait that nothing ends is the last one.
    #[test]
    fn a_wait_for_ever_is_a_step() {
        let library = Library::builtin();
        let scenario = Arc::new(library.scenario("client-io-vs-stop").unwrap());
        let model = library.model("v4-wait-before-purge").unwrap();
        let found = dpor::explore(&program(&scenario, model.choices), &Limits::default());
        let finding = &found.findings[0];
        assert_eq!(finding.kind, ViolationKind::HungTask);
        let c = Counterexample::new(&scenario, &model, "dpor", "sc", finding);
        let steps = c.schedule.len();
        let mut stepping = Stepping::new(&Story::new(c, model, None, "x.json"));
        assert!(stepping.press(Key::Mark));
        assert_eq!(stepping.at(), steps + 1);
        let shown = shown(&mut stepping, 160, 24);
        assert!(shown.contains("for ever"), "{shown}");
        assert!(shown.contains("INFO: task nfsd-stop"), "{shown}");
    }

    #[test]
    fn a_number_goes_to_its_step() {
        let mut stepping = stepping();
        for key in [
            Key::GoTo,
            Key::Digit(1),
            Key::Digit(9),
            Key::Erase,
            Key::Digit(2),
            Key::Enter,
        ] {
            assert!(stepping.press(key));
        }
        assert_eq!(stepping.at(), 12);
        for key in [
            Key::GoTo,
            Key::Digit(9),
            Key::Digit(9),
            Key::Digit(9),
            Key::Enter,
        ] {
            assert!(stepping.press(key));
        }
        assert_eq!(stepping.at(), 12);
        assert!(shown(&mut stepping, 80, 24).contains("There is no step 999"));
        assert!(stepping.press(Key::GoTo));
        assert!(stepping.press(Key::Escape));
        assert!(!stepping.press(Key::Escape));
    }

    #[test]
    fn any_size_will_do() {
        let mut stepping = stepping();
        stepping.press(Key::End);
        for (width, height) in [(1, 1), (20, 5), (80, 24), (200, 60)] {
            shown(&mut stepping, width, height);
        }
        for _ in 0..200 {
            stepping.press(Key::ObjectsDown);
        }
        shown(&mut stepping, 80, 24);
        assert!(stepping.first_object(stepping.room) < stepping.objects.len());
    }
}
