// SPDX-License-Identifier: GPL-2.0-only
//! The branches of `src/nfsd/`: what an `if`, a `match`, a loop or a `let … else` may do or not.
//!
//! A run tells which calls of primitives it made, and no more. So a branch is known to have run where
//! one of the calls in it was made, and of one without a call nothing can be said: it is no branch
//! here. Most of those only return what was found.

use super::sites::{Found, SOURCES, is_test, place};
use crate::sync::mutation::Place;
use proc_macro2::Span;
use std::collections::BTreeSet;
use syn::{
    Expr, ExprForLoop, ExprIf, ExprMatch, ExprWhile, ImplItemFn, ItemFn, ItemMod, Local,
    spanned::Spanned,
    visit::{self, Visit},
};

/// A branch with a call of a primitive in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The function that it is in.
    pub function: String,
    /// Where it begins.
    pub begin: Place,
    /// The calls in it, those of inner branches included.
    pub calls: Vec<Place>,
}

impl Branch {
    /// Whether a run that made these calls took it.
    #[must_use]
    pub fn is_taken(&self, reached: &BTreeSet<Place>) -> bool {
        self.calls.iter().any(|call| reached.contains(call))
    }
}

/// All of them, in the order of the sources.
///
/// # Panics
///
/// Where a source is no Rust, and then this would not have been compiled.
#[must_use]
pub fn find(found: &Found) -> Vec<Branch> {
    let enters = found.functions.iter().flat_map(|f| f.enters.iter());
    let weakened = found
        .sites
        .iter()
        .filter(|site| !site.weakenings.is_empty());
    let mut calls: BTreeSet<Place> = weakened.map(|site| site.place).collect();
    calls.extend(enters.map(|(place, _)| *place));
    let mut branches = Vec::new();
    for &(file, text) in SOURCES {
        if file.starts_with("src/nfsd/") {
            let parsed = syn::parse_file(text).expect("sources that were compiled");
            let mut visitor = Visitor {
                file,
                calls: &calls,
                function: String::new(),
                branches: &mut branches,
            };
            visitor.visit_file(&parsed);
        }
    }
    branches.sort_by_key(|branch| branch.begin);
    branches
}

struct Visitor<'a> {
    file: &'static str,
    calls: &'a BTreeSet<Place>,
    function: String,
    branches: &'a mut Vec<Branch>,
}

impl Visitor<'_> {
    fn branch(&mut self, span: Span) {
        let [begin, end] = [span.start(), span.end()].map(|at| place(self.file, at));
        let calls: Vec<Place> = self.calls.range(begin..end).copied().collect();
        if !calls.is_empty() {
            self.branches.push(Branch {
                function: self.function.clone(),
                begin,
                calls,
            });
        }
    }
}

impl<'a> Visit<'a> for Visitor<'_> {
    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        if !is_test(module) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        self.function = function.sig.ident.to_string();
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        self.function = function.sig.ident.to_string();
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_expr_if(&mut self, expression: &'a ExprIf) {
        self.branch(expression.then_branch.span());
        // Another `if` is visited by itself.
        if let Some((_, otherwise)) = &expression.else_branch
            && let Expr::Block(block) = &**otherwise
        {
            self.branch(block.block.span());
        }
        visit::visit_expr_if(self, expression);
    }

    fn visit_expr_match(&mut self, expression: &'a ExprMatch) {
        for arm in &expression.arms {
            self.branch(arm.body.span());
        }
        visit::visit_expr_match(self, expression);
    }

    fn visit_expr_while(&mut self, expression: &'a ExprWhile) {
        self.branch(expression.body.span());
        visit::visit_expr_while(self, expression);
    }

    fn visit_expr_for_loop(&mut self, expression: &'a ExprForLoop) {
        self.branch(expression.body.span());
        visit::visit_expr_for_loop(self, expression);
    }

    fn visit_local(&mut self, local: &'a Local) {
        if let Some(init) = &local.init
            && let Some((_, otherwise)) = &init.diverge
        {
            self.branch(otherwise.span());
        }
        visit::visit_local(self, local);
    }
}
