// SPDX-License-Identifier: GPL-2.0-only
//! Files that people write, and what to tell them where such a file is wrong.
//!
//! A reader of a format wants two things of a JSON parser that no single crate in our tree gives
//! it: to be strict, and to say where each value stands, so that an error about its *meaning*
//! ("no such model") points at the place just as an error about a missing comma does. So two
//! parsers read the text. `serde_json` decides whether it is JSON at all: no comments, no trailing
//! commas, nothing behind the end, nesting bounded. `jsonc-parser` then gives the tree with its
//! positions; it is lenient by nature, but sees nothing that the other one has refused.
//!
//! A [`Diagnostic`] is the first thing that is wrong, in the order in which a format is checked.
//! Names that come out of a file are quoted shortened and with control characters escaped, since
//! they end up on a terminal.

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{ObjectPropName, Value},
    common::Ranged,
    parse_to_ast,
};
use std::{collections::BTreeSet, fmt, ops::RangeInclusive, path::Path};

/// The field in which editors look for the JSON Schema of a file.
const SCHEMA: &str = "$schema";

/// A file longer than this is refused unread.
pub const MAX_BYTES: usize = 1 << 20;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as it was named.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
    /// What is wrong, as part of a sentence.
    pub message: String,
    /// The nearest name that would have been right.
    pub suggestion: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
            suggestion,
        } = self;
        write!(f, "{file}:{line}:{column}: {message}")?;
        did_you_mean(f, suggestion.as_deref())
    }
}

impl std::error::Error for Diagnostic {}

/// The end of a message about a name that does not exist.
pub(crate) fn did_you_mean(f: &mut fmt::Formatter<'_>, suggestion: Option<&str>) -> fmt::Result {
    match suggestion {
        Some(name) => write!(f, " (did you mean '{name}'?)"),
        None => Ok(()),
    }
}

/// A name out of a file, fit to be printed.
pub(crate) fn quote(name: &str) -> String {
    const SHOWN: usize = 60;
    let mut quoted = String::from("'");
    for c in name.chars().take(SHOWN) {
        match c {
            '"' | '\'' => quoted.push(c),
            _ => quoted.extend(c.escape_debug()),
        }
    }
    if name.chars().nth(SHOWN).is_some() {
        quoted.push('…');
    }
    quoted.push('\'');
    quoted
}

/// The candidate that is most like `name`, where one is like it at all. Of two that are equally
/// like it, the first.
pub(crate) fn nearest<'n>(
    name: &str,
    candidates: impl IntoIterator<Item = &'n str>,
) -> Option<String> {
    // Comparing takes time and memory in the product of the lengths: not for a megabyte.
    const LONGEST: usize = 100;
    const ALIKE: f64 = 0.75;
    if name.len() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        if candidate.len() > LONGEST {
            continue;
        }
        // Jaro-Winkler favours a common beginning: our names differ at their ends.
        let likeness = strsim::jaro_winkler(&lower, &candidate.to_lowercase());
        if likeness >= ALIKE && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate.to_owned())
}

/// The text of a file, to tell places in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    file: &'a str,
    text: &'a str,
    /// What is in the file goes by a name of its own, not by the file's.
    container: bool,
}

/// A string in a file: what it says and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) value: &'a str,
    start: usize,
    /// The file has it as it is, without escapes, so that an offset in the one is an offset in
    /// the other.
    plain: bool,
}

impl Text<'_> {
    /// Where the string begins: its opening quote.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Where the byte at `offset` of the string stands in the file, or the string's beginning
    /// where that cannot be told.
    pub(crate) fn at(&self, offset: usize) -> usize {
        if self.plain {
            self.start + 1 + offset
        } else {
            self.start
        }
    }
}

/// An object whose keys are those of a format.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    source: Source<'a>,
    start: usize,
    what: &'static str,
    fields: Vec<(Text<'a>, &'a Value<'a>)>,
}

impl<'a> Fields<'a> {
    /// The value of a field that may be left out.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value<'a>> {
        self.fields
            .iter()
            .find(|(key, _)| key.value == name)
            .map(|(_, value)| *value)
    }

    /// The value of a field that must be there.
    pub(crate) fn require(&self, name: &str) -> Result<&'a Value<'a>, Diagnostic> {
        self.get(name).ok_or_else(|| {
            let message = format!("{} without '{name}'", self.what);
            self.source.error(self.start, message)
        })
    }
}

impl<'a> Source<'a> {
    /// Reads a file's bytes as JSON.
    pub(crate) fn parse(file: &'a str, bytes: &'a [u8]) -> Result<(Self, Value<'a>), Diagnostic> {
        Self::read(file, bytes, MAX_BYTES, false)
    }

    /// Reads the bytes of a file that holds a model or a scenario among other things, and may be
    /// longer than one that people write.
    pub(crate) fn parse_container(
        file: &'a str,
        bytes: &'a [u8],
        max_bytes: usize,
    ) -> Result<(Self, Value<'a>), Diagnostic> {
        Self::read(file, bytes, max_bytes, true)
    }

    fn read(
        file: &'a str,
        bytes: &'a [u8],
        max_bytes: usize,
        container: bool,
    ) -> Result<(Self, Value<'a>), Diagnostic> {
        let source = |text| Self {
            file,
            text,
            container,
        };
        if bytes.len() > max_bytes {
            let message = format!("the file is longer than {max_bytes} bytes");
            return Err(source("").error(0, message));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let end = error.valid_up_to();
            let text = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
            source(text).error(end, "not UTF-8")
        })?;
        let source = source(text);
        if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
            return Err(source.not_json(&error));
        }
        // What is left for these options to refuse, serde_json has refused already; they are set
        // all the same, so that the two cannot disagree on what is read.
        let strict = ParseOptions {
            allow_comments: false,
            allow_loose_object_property_names: false,
            allow_trailing_commas: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        let tree = parse_to_ast(text, &CollectOptions::default(), &strict)
            .map_err(|error| source.error(error.range().start, error.kind().to_string()))?;
        match tree.value {
            Some(value) => Ok((source, value)),
            None => Err(source.error(0, "the file is empty")),
        }
    }

    fn not_json(&self, error: &serde_json::Error) -> Diagnostic {
        let said = error.to_string();
        let message = said.rfind(" at line ").map_or(&*said, |end| &said[..end]);
        // serde_json counts bytes in a line; the place is told in characters like all others.
        let before: usize = self
            .text
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1))
            .map(str::len)
            .sum();
        let offset = before + error.column().saturating_sub(1);
        self.error(offset, format!("not JSON: {message}"))
    }

    /// A diagnostic about the place `offset` bytes into the file.
    pub(crate) fn error(&self, offset: usize, message: impl Into<String>) -> Diagnostic {
        let end = self.text.floor_char_boundary(offset);
        let before = &self.text[..end];
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Diagnostic {
            file: self.file.to_owned(),
            line,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
            suggestion: None,
        }
    }

    /// A diagnostic about a name that is none of the `candidates`.
    pub(crate) fn unknown<'n>(
        &self,
        offset: usize,
        what: &str,
        name: &str,
        candidates: impl IntoIterator<Item = &'n str>,
    ) -> Diagnostic {
        let message = format!("unknown {what} {}", quote(name));
        Diagnostic {
            suggestion: nearest(name, candidates),
            ..self.error(offset, message)
        }
    }

    fn mismatch(&self, value: &Value<'_>, what: &str, wanted: &str) -> Diagnostic {
        let found = match value {
            Value::StringLit(_) => "a string",
            Value::NumberLit(_) => "a number",
            Value::BooleanLit(_) => "a boolean",
            Value::Object(_) => "an object",
            Value::Array(_) => "an array",
            Value::NullKeyword(_) => "null",
        };
        let message = format!("{what} must be {wanted}, not {found}");
        self.error(value.start(), message)
    }

    /// The elements of an array.
    pub(crate) fn array<'v>(
        &self,
        value: &'v Value<'v>,
        what: &str,
    ) -> Result<&'v [Value<'v>], Diagnostic> {
        match value {
            Value::Array(array) => Ok(&array.elements),
            _ => Err(self.mismatch(value, what, "an array")),
        }
    }

    /// A string.
    pub(crate) fn string<'v>(
        &self,
        value: &'v Value<'v>,
        what: &str,
    ) -> Result<Text<'v>, Diagnostic> {
        match value {
            Value::StringLit(string) => Ok(Text {
                value: &string.value,
                start: string.range.start,
                plain: string.range.end - string.range.start == string.value.len() + 2,
            }),
            _ => Err(self.mismatch(value, what, "a string")),
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, value: &Value<'_>, what: &str) -> Result<bool, Diagnostic> {
        match value {
            Value::BooleanLit(boolean) => Ok(boolean.value),
            _ => Err(self.mismatch(value, what, "true or false")),
        }
    }

    /// A whole number in a range.
    pub(crate) fn integer(
        &self,
        value: &Value<'_>,
        what: &str,
        range: &RangeInclusive<u32>,
    ) -> Result<u32, Diagnostic> {
        let (low, high) = (range.start(), range.end());
        let wanted = format!("a whole number from {low} to {high}");
        let Value::NumberLit(number) = value else {
            return Err(self.mismatch(value, what, &wanted));
        };
        match number.value.parse() {
            Ok(n) if range.contains(&n) => Ok(n),
            _ => {
                let message = format!("{what} must be {wanted}, not {}", quote(number.value));
                Err(self.error(number.range.start, message))
            }
        }
    }

    /// One of a few strings, by its index among them.
    pub(crate) fn one_of(
        &self,
        value: &Value<'_>,
        what: &str,
        names: &[&str],
    ) -> Result<usize, Diagnostic> {
        let text = self.string(value, what)?;
        names
            .iter()
            .position(|name| *name == text.value)
            .ok_or_else(|| {
                let what = format!("value of {what}:");
                self.unknown(text.start, &what, text.value, names.iter().copied())
            })
    }

    /// A whole number of 64 bits.
    pub(crate) fn number(&self, value: &Value<'_>, what: &str) -> Result<u64, Diagnostic> {
        let wanted = "a whole number of 64 bits";
        let Value::NumberLit(number) = value else {
            return Err(self.mismatch(value, what, wanted));
        };
        number.value.parse().map_err(|_| {
            let message = format!("{what} must be {wanted}, not {}", quote(number.value));
            self.error(number.range.start, message)
        })
    }

    /// The keys and values of an object, each key once, in the order of the file.
    pub(crate) fn entries<'v>(
        &self,
        value: &'v Value<'v>,
        what: &str,
    ) -> Result<Vec<(Text<'v>, &'v Value<'v>)>, Diagnostic> {
        let Value::Object(object) = value else {
            return Err(self.mismatch(value, what, "an object"));
        };
        let mut seen = BTreeSet::new();
        let mut entries = Vec::with_capacity(object.properties.len());
        for property in &object.properties {
            let name = property.name.as_str();
            let range = property.name.range();
            if !seen.insert(name) {
                let message = format!("{} is given twice", quote(name));
                return Err(self.error(range.start, message));
            }
            let key = Text {
                value: name,
                start: range.start,
                plain: matches!(property.name, ObjectPropName::String(_))
                    && range.end - range.start == name.len() + 2,
            };
            entries.push((key, &property.value));
        }
        Ok(entries)
    }

    /// An object whose keys are all among the `known` ones.
    pub(crate) fn fields<'v>(
        &self,
        value: &'v Value<'v>,
        what: &'static str,
        known: &[&str],
    ) -> Result<Fields<'v>, Diagnostic>
    where
        'a: 'v,
    {
        let fields = self.entries(value, what)?;
        for (key, _) in &fields {
            if !known.contains(&key.value) {
                let known = known.iter().copied();
                return Err(self.unknown(key.start, "field", key.value, known));
            }
        }
        Ok(Fields {
            source: *self,
            start: value.start(),
            what,
            fields,
        })
    }

    /// The fields of a file, which may say what its JSON Schema is: editors look there.
    pub(crate) fn file_fields<'v>(
        &self,
        value: &'v Value<'v>,
        what: &'static str,
        known: &[&str],
    ) -> Result<Fields<'v>, Diagnostic>
    where
        'a: 'v,
    {
        if self.container {
            return self.fields(value, what, known);
        }
        let known: Vec<&str> = known.iter().copied().chain([SCHEMA]).collect();
        let fields = self.fields(value, what, &known)?;
        if let Some(schema) = fields.get(SCHEMA) {
            self.string(schema, "'$schema'")?;
        }
        Ok(fields)
    }

    /// The name that a file gives itself, which is the one it is found by.
    pub(crate) fn own_name(&self, value: &Value<'_>) -> Result<String, Diagnostic> {
        let text = self.string(value, "'name'")?;
        let name = self.identifier(text.value, text.start, "the name")?;
        if self.container {
            return Ok(name);
        }
        let stem = Path::new(self.file)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        if name == stem {
            return Ok(name);
        }
        let message = format!("the name {} is not that of the file", quote(&name));
        Err(Diagnostic {
            suggestion: Some(quote(&stem).trim_matches('\'').to_owned()),
            ..self.error(value.start(), message)
        })
    }

    /// A name that somebody chose: one word, so that it can stand in an operation, in a file name
    /// and on a command line.
    pub(crate) fn identifier(
        &self,
        name: &str,
        offset: usize,
        what: &str,
    ) -> Result<String, Diagnostic> {
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(inside) {
            return Ok(name.to_owned());
        }
        let message = format!(
            "{what} must be letters, digits, '-', '_' and '.', a letter or digit first, not {}",
            quote(name)
        );
        Err(self.error(offset, message))
    }
}
