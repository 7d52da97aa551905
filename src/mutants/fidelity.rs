// SPDX-License-Identifier: GPL-2.0-only
//! Which kernel function each function of the lifecycle is, and what of it is left out: a table made
//! from the functions' own documentation.
//!
//! A function that stands for one of the kernel's begins its documentation with that one's name.
//! Paragraphs of it that begin with one of these words go into the table:
//!
//! * `Kernel file:` the file, where it is another one than the first that the module names;
//! * `With it:` other functions of the kernel that are modelled there, too;
//! * `Versions:` where not every model has it, of a function or of the whole module; what models do
//!   otherwise in it are its choices;
//! * `Left out:` the steps that are left out, and why no race is hidden by that.

use super::sites::{Found, Function, SOURCES};
use crate::model::choices::CHOICES;
use std::fmt::Write as _;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kernel function.
    pub function: String,
    /// The kernel file.
    pub kernel_file: String,
    /// The file here.
    pub file: &'static str,
    /// Other kernel functions that are modelled in it.
    pub with: Vec<String>,
    /// The versions.
    pub versions: String,
    /// What is left out, and why; empty where only what the whole file leaves out is.
    pub left_out: String,
}

/// The table, in the order of the sources.
#[must_use]
pub fn rows(found: &Found) -> Vec<Row> {
    let functions = found.functions.iter();
    let rows = functions.filter(|function| function.file.starts_with("src/nfsd/"));
    rows.filter_map(|function| row(found, function)).collect()
}

fn row(found: &Found, function: &Function) -> Option<Row> {
    let paragraphs = paragraphs(&function.docs);
    let name = names(paragraphs.first()?).into_iter().next()?;
    if !paragraphs[0].starts_with(&format!("`{name}(")) {
        return None;
    }
    let paragraph = |word: &str| {
        let mut paragraphs = paragraphs.iter();
        paragraphs.find_map(|text| text.strip_prefix(word).map(str::trim))
    };
    let module = paragraphs_of_module(found, function.file);
    let kernel_file = paragraph("Kernel file:").map(str::to_owned).or_else(|| {
        module
            .iter()
            .find_map(|text| text.split('`').nth(1).map(str::to_owned))
    });
    // Where two files have the function, each has the choices that it asks for.
    let others = found.functions.iter().filter(|f| f.file != function.file);
    let shared = others.map(|f| self::paragraphs(&f.docs)).any(|docs| {
        let first = docs.first();
        first.is_some_and(|text| text.starts_with(&format!("`{name}(")))
    });
    let asks = |choice: &str| {
        let source = SOURCES.iter().find(|(file, _)| *file == function.file);
        source.is_some_and(|(_, text)| text.contains(&format!("choices.{choice}")))
    };
    let choices: Vec<&str> = CHOICES
        .iter()
        .filter(|choice| choice.functions.contains(&&*name))
        .map(|choice| choice.name)
        .filter(|choice| !shared || asks(choice))
        .collect();
    let of_module = versions_of_module(found, function.file);
    let versions = paragraph("Versions:").map(str::to_owned).or(of_module);
    let mut versions = versions.unwrap_or_else(|| "all.".to_owned());
    if !choices.is_empty() {
        let _ = write!(versions, " By choice: {}.", choices.join(", "));
    }
    Some(Row {
        with: paragraph("With it:").map(names).unwrap_or_default(),
        function: name,
        kernel_file: kernel_file?.trim_matches(['`', '.']).to_owned(),
        file: function.file,
        versions,
        left_out: paragraph("Left out:").unwrap_or_default().to_owned(),
    })
}

/// The paragraph of a module's documentation that names its kernel files.
fn paragraphs_of_module(found: &Found, file: &str) -> Vec<String> {
    let docs = found.module_docs.get(file);
    let paragraphs = docs.map(|docs| paragraphs(docs)).unwrap_or_default();
    let named = paragraphs.into_iter().filter_map(|text| {
        let at = text.find("Kernel file")?;
        Some(text[at..].to_owned())
    });
    named.collect()
}

fn versions_of_module(found: &Found, file: &str) -> Option<String> {
    let paragraphs = paragraphs(found.module_docs.get(file)?);
    let mut versions = paragraphs.iter().map(|text| text.trim());
    let versions = versions.find_map(|text| text.strip_prefix("Versions:"))?;
    Some(versions.trim().to_owned())
}

fn paragraphs(docs: &[String]) -> Vec<String> {
    let paragraphs = docs.split(|line| line.is_empty());
    paragraphs
        .filter(|lines| !lines.is_empty())
        .map(|lines| lines.join(" "))
        .collect()
}

/// The functions that a text names: `name()`.
fn names(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let functions = quoted.filter_map(|word| {
        let (name, arguments) = word.split_once('(')?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (arguments.ends_with(')') && name.chars().all(is_name)).then(|| name.to_owned())
    });
    functions.collect()
}

/// The table as Markdown.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut text = "| kernel function | kernel file | here | versions | left out, and why no race \
                    is hidden by it |\n|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let mut names = format!("`{}()`", row.function);
        for with in &row.with {
            let _ = write!(names, ", `{with}()`");
        }
        let file = row.file.trim_start_matches("src/nfsd/");
        let left_out = match &*row.left_out {
            "" => "nothing more",
            text => text,
        };
        let _ = writeln!(
            text,
            "| {names} | `{}` | `{file}` | {} | {left_out} |",
            row.kernel_file,
            row.versions.replace('|', "\\|"),
        );
    }
    text
}
