// SPDX-License-Identifier: GPL-2.0-only
//! Where the lifecycle and the kernel's primitives call primitives.
//!
//! The sources of `src/nfsd/` and `src/kernel/` are compiled into the binary and parsed here, so the
//! list is that of the very code that runs. A call is one where its name is that of a function of
//! `src/kernel/` or `src/sync/`, or of one of `src/nfsd/` that stands for one; what merely has such a
//! name stands in [`NO_CALLS`], but for the calls of a field that is a
//! [`crate::sync::shadow::Shadow`], which is no memory of the kernel's. In a function that is `#[track_caller]` calls belong to its callers, as [`crate::sync::mutation`] explains.

use super::primitives::{MAYBE_ORDERED, Primitive, primitive};
use crate::sync::mutation::{Place, Weakening};
use std::collections::{BTreeMap, BTreeSet};
use syn::{
    Attribute, Expr, ExprCall, ExprMethodCall, Field, ImplItemFn, ItemFn, ItemImpl, ItemMod, Macro,
    Member, Signature, Token, TraitItemFn, Type, punctuated::Punctuated, spanned::Spanned,
    visit::Visit,
};

macro_rules! sources {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../", $file)))),+]
    };
}

/// The sources that are looked through, sorted. A test compares the list with the folders.
pub const SOURCES: &[(&str, &str)] = sources![
    "src/kernel/atomic.rs",
    "src/kernel/barrier.rs",
    "src/kernel/bitops.rs",
    "src/kernel/completion.rs",
    "src/kernel/context.rs",
    "src/kernel/fsnotify.rs",
    "src/kernel/list.rs",
    "src/kernel/list_lru.rs",
    "src/kernel/memory_model.rs",
    "src/kernel/mod.rs",
    "src/kernel/net_namespace.rs",
    "src/kernel/notifier.rs",
    "src/kernel/percpu.rs",
    "src/kernel/percpu_ref.rs",
    "src/kernel/pointer.rs",
    "src/kernel/rcu.rs",
    "src/kernel/refcount.rs",
    "src/kernel/rhashtable.rs",
    "src/kernel/rwonce.rs",
    "src/kernel/shrinker.rs",
    "src/kernel/slab.rs",
    "src/kernel/spinlock.rs",
    "src/kernel/srcu.rs",
    "src/kernel/versioned.rs",
    "src/kernel/workqueue.rs",
    "src/nfsd/filecache.rs",
    "src/nfsd/localio.rs",
    "src/nfsd/mod.rs",
    "src/nfsd/netns.rs",
    "src/nfsd/nfslocalio.rs",
    "src/nfsd/nfslocalio_v6_12.rs",
    "src/nfsd/nfssvc.rs",
];

/// What has the name of a primitive and is none, or none that anything of the kernel stands behind:
/// the file or folder, the call as it is written without its arguments, and what it is.
pub const NO_CALLS: &[(&str, &str, &str)] = &[
    ("src/kernel/context.rs", "self.contexts.lock", BOOKKEEPING),
    ("src/kernel/context.rs", "self.rcu.read_lock", SECTION),
    ("src/kernel/list.rs", "entries.first", RUST),
    ("src/kernel/list.rs", "entries.found(found).first", RUST),
    ("src/kernel/list.rs", "entries.found(found).is_empty", RUST),
    ("src/kernel/list.rs", "entries.get", RUST),
    ("src/kernel/list.rs", "entries.is_empty", RUST),
    ("src/kernel/list.rs", "entries.now.first", RUST),
    ("src/kernel/list.rs", "entries.remove", RUST),
    ("src/kernel/list.rs", "self.versions.get", RUST),
    ("src/kernel/list_lru.rs", "items.get", RUST),
    ("src/kernel/list_lru.rs", "items.remove", RUST),
    (
        "src/kernel/net_namespace.rs",
        "net.generic.set",
        BOOKKEEPING,
    ),
    (
        "src/kernel/net_namespace.rs",
        "self.generic.get",
        BOOKKEEPING,
    ),
    ("src/kernel/net_namespace.rs", "generic.exit", LIFECYCLE),
    ("src/kernel/pointer.rs", "self.targets.lock", BOOKKEEPING),
    ("src/kernel/rcu.rs", "callbacks.insert", RUST),
    (
        "src/kernel/refcount.rs",
        "self.word.store",
        "what a count that has warned is set to",
    ),
    ("src/kernel/rhashtable.rs", "chain.insert", RUST),
    ("src/kernel/slab.rs", "objects.insert", RUST),
    ("src/kernel/versioned.rs", "self.versions.lock", BOOKKEEPING),
    ("src/kernel/versioned.rs", "versions.older.get", RUST),
    ("src/kernel/workqueue.rs", "self.function.lock", BOOKKEEPING),
    ("src/nfsd/", "nf.nf_file.get", PLAIN),
    ("src/nfsd/", "nf.nf_mark.get", PLAIN),
    ("src/nfsd/", "nfsd.nfsd_dir_fsnotify_group.get", PLAIN),
    ("src/nfsd/", "nfsd.nfsd_file_fsnotify_group.get", PLAIN),
    ("src/nfsd/", "nfsd.nfsd_users.get", PLAIN),
    ("src/nfsd/mod.rs", "NfsdNet::init", LIFECYCLE),
    ("src/nfsd/netns.rs", "self.nfsd.get", BOOKKEEPING),
    ("src/nfsd/netns.rs", "self.nfsd.set", BOOKKEEPING),
    ("src/nfsd/nfslocalio.rs", "nfsd.clients.is_empty", RUST),
    ("src/nfsd/nfssvc.rs", "held.is_empty", RUST),
    ("src/nfsd/nfssvc.rs", "held.remove", RUST),
    ("src/nfsd/nfssvc.rs", "nfsd.servs.lock", BOOKKEEPING),
    ("src/nfsd/nfssvc.rs", "self.threads.get", BOOKKEEPING),
    ("src/nfsd/nfssvc.rs", "serv.threads.get", BOOKKEEPING),
    ("src/nfsd/nfssvc.rs", "serv.threads.set", BOOKKEEPING),
    ("src/nfsd/nfssvc.rs", "threads.is_empty", RUST),
];

const BOOKKEEPING: &str = "no memory of the kernel's: what the model itself keeps";
const RUST: &str = "a collection of Rust's, within one step";
const SECTION: &str = "the section of a lock, of rcu_read_lock(), or of a kernel without preemptible \
                       RCU: each lock and rcu_read_lock() is weakened where it is called";
const PLAIN: &str = "a read of plain memory, whose races are reported";
const LIFECYCLE: &str = "a function of the lifecycle, whose own calls are listed";

/// Functions that no code of the kernel stands behind: what they call is no guard.
pub const NO_KERNEL_CODE: &[(&str, &str)] = &[
    ("src/kernel/list_lru.rs", "ListLru::new"),
    ("src/kernel/rhashtable.rs", "Rhltable::new"),
    ("src/kernel/slab.rs", "KmemCache::new"),
    ("src/kernel/workqueue.rs", "DelayedWork::fire"),
    ("src/kernel/workqueue.rs", "DelayedWork::let_fire"),
    ("src/nfsd/filecache.rs", "Nfsd::reachable"),
    ("src/nfsd/filecache.rs", "Nfsd::still_allocated"),
    ("src/nfsd/filecache.rs", "Nfsd::unreachable"),
    ("src/nfsd/filecache.rs", "Nfsd::wrong_masks"),
    ("src/nfsd/filecache.rs", "is_stale"),
    ("src/nfsd/nfslocalio.rs", "NfsFileLocalio::cached"),
];

/// A call of a primitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Where it stands.
    pub place: Place,
    /// The function that it stands in.
    pub function: String,
    /// The call as it is written, without its arguments.
    pub call: String,
    /// Which of the calls of the function that are written like that, from 1.
    pub nth: usize,
    /// The primitive.
    pub primitive: &'static str,
    /// How it can be weakened; nothing where it is no guard, see [`Primitive::why_none`].
    pub weakenings: Vec<Weakening>,
}

impl Site {
    /// What it is called: this does not change when lines are added elsewhere.
    #[must_use]
    pub fn name(&self) -> String {
        let file = self.place.file.trim_start_matches("src/");
        let nth = match self.nth {
            1 => String::new(),
            nth => format!("#{nth}"),
        };
        format!("{file} {} {}{nth}", self.function, self.call)
    }
}

/// A function of the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The file.
    pub file: &'static str,
    /// Its name.
    pub name: String,
    /// Its documentation, a line each.
    pub docs: Vec<String>,
    /// Where it is entered as a function of the kernel, by which name.
    pub enters: Vec<(Place, String)>,
}

/// All that was found in the sources.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The calls, by file, then place.
    pub sites: Vec<Site>,
    /// The functions, in the order of the sources.
    pub functions: Vec<Function>,
    /// The documentation of each file, a line each.
    pub module_docs: BTreeMap<&'static str, Vec<String>>,
    /// The calls that [`NO_CALLS`] names, and which of its entries it is.
    pub no_calls: BTreeMap<Place, usize>,
    /// The calls in the functions of [`NO_KERNEL_CODE`], and which of its entries it is.
    pub no_kernel_code: BTreeMap<Place, usize>,
}

/// Look through the sources.
///
/// # Panics
///
/// Where one of them is no Rust, and then this would not have been compiled.
#[must_use]
pub fn find() -> Found {
    let mut found = Found::default();
    let parsed = SOURCES.iter().map(|(file, text)| {
        let parsed = syn::parse_file(text).expect("sources that were compiled");
        (*file, *text, parsed)
    });
    let parsed: Vec<_> = parsed.collect();
    let mut fields = Fields::default();
    for (_, _, parsed) in &parsed {
        fields.visit_file(parsed);
    }
    let shadows = fields.shadows();
    for (file, text, parsed) in &parsed {
        found.module_docs.insert(file, docs(&parsed.attrs));
        let mut visitor = Visitor {
            file,
            text,
            shadows: &shadows,
            found: &mut found,
            function: None,
            closures: 0,
            of: None,
        };
        visitor.visit_file(parsed);
    }
    found.sites.sort_by_key(|site| site.place);
    let mut seen: BTreeMap<(&str, String, String), usize> = BTreeMap::new();
    for site in &mut found.sites {
        let key = (site.place.file, site.function.clone(), site.call.clone());
        let nth = seen.entry(key).or_default();
        *nth += 1;
        site.nth = *nth;
    }
    found
}

/// The place of something in a source.
pub(super) fn place(file: &'static str, start: proc_macro2::LineColumn) -> Place {
    Place {
        file,
        line: u32::try_from(start.line).expect("a source of this size"),
        column: u32::try_from(start.column + 1).expect("a source of this size"),
    }
}

/// Whether a module is of tests, of which nothing counts here.
pub(super) fn is_test(module: &ItemMod) -> bool {
    let mut attributes = module.attrs.iter();
    attributes.any(|attribute| attribute.path().is_ident("cfg"))
}

/// The lines of a documentation.
fn docs(attributes: &[Attribute]) -> Vec<String> {
    let lines = attributes.iter().filter_map(|attribute| {
        let meta = attribute.meta.require_name_value().ok()?;
        if !meta.path.is_ident("doc") {
            return None;
        }
        match &meta.value {
            Expr::Lit(literal) => match &literal.lit {
                syn::Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        }
    });
    lines.collect()
}

/// The fields of all types, by name: whether all, some or none of that name are a `Shadow`.
#[derive(Default)]
struct Fields(BTreeMap<String, BTreeSet<bool>>);

impl Fields {
    /// The names that only such fields have.
    fn shadows(self) -> BTreeSet<String> {
        let all = self.0.into_iter();
        let only = all.filter(|(_, kinds)| !kinds.contains(&false));
        only.map(|(name, _)| name).collect()
    }
}

impl<'a> Visit<'a> for Fields {
    fn visit_field(&mut self, field: &'a Field) {
        if let Some(name) = &field.ident {
            let is_shadow = match &field.ty {
                Type::Path(path) => path
                    .path
                    .segments
                    .last()
                    .is_some_and(|l| l.ident == "Shadow"),
                _ => false,
            };
            self.0
                .entry(name.to_string())
                .or_default()
                .insert(is_shadow);
        }
    }
}

/// The function that is being looked through.
struct Current {
    name: String,
    track_caller: bool,
}

struct Visitor<'f> {
    file: &'static str,
    text: &'static str,
    /// Fields that are no memory of the kernel's.
    shadows: &'f BTreeSet<String>,
    found: &'f mut Found,
    function: Option<Current>,
    closures: u32,
    /// The type of the `impl` block.
    of: Option<String>,
}

impl Visitor<'_> {
    fn in_function(
        &mut self,
        attributes: &[Attribute],
        signature: &Signature,
        visit: impl FnOnce(&mut Self),
    ) {
        let current = Current {
            name: match &self.of {
                Some(of) => format!("{of}::{}", signature.ident),
                None => signature.ident.to_string(),
            },
            track_caller: attributes
                .iter()
                .any(|attribute| attribute.path().is_ident("track_caller")),
        };
        self.found.functions.push(Function {
            file: self.file,
            name: current.name.clone(),
            docs: docs(attributes),
            enters: Vec::new(),
        });
        let outer = self.function.replace(current);
        let closures = std::mem::take(&mut self.closures);
        visit(self);
        self.closures = closures;
        self.function = outer;
    }

    fn place(&self, ident: &proc_macro2::Ident) -> Place {
        place(self.file, ident.span().start())
    }

    /// The text from the beginning of one thing to the end of another, in one line.
    fn text(&self, start: &impl Spanned, end: &proc_macro2::Ident) -> String {
        let range = start.span().byte_range().start..end.span().byte_range().end;
        self.text[range].split_whitespace().collect()
    }

    fn call<'a>(
        &mut self,
        name: &proc_macro2::Ident,
        at: &proc_macro2::Ident,
        written: String,
        arguments: impl Iterator<Item = &'a Expr>,
    ) {
        let Some(current) = &self.function else {
            return;
        };
        // Calls of these belong to who calls the function.
        if current.track_caller && self.closures == 0 {
            return;
        }
        let Some(primitive) = primitive(&name.to_string()) else {
            return;
        };
        let of_kernel =
            |(file, function): &(&str, &str)| *file == self.file && *function == current.name;
        let place = self.place(at);
        if let Some(at) = NO_KERNEL_CODE.iter().position(of_kernel) {
            self.found.no_kernel_code.insert(place, at);
            return;
        }
        let no_call = NO_CALLS
            .iter()
            .position(|(of, call, _)| self.file.starts_with(of) && *call == written);
        if let Some(no_call) = no_call {
            self.found.no_calls.insert(place, no_call);
            return;
        }
        let site = Site {
            place,
            function: current.name.clone(),
            call: written,
            nth: 0,
            primitive: primitive.name,
            weakenings: weakenings(primitive, arguments),
        };
        self.found.sites.push(site);
    }
}

fn weakenings<'a>(
    primitive: &Primitive,
    mut arguments: impl Iterator<Item = &'a Expr>,
) -> Vec<Weakening> {
    let is_ordered = |argument: &Expr| match argument {
        Expr::Path(path) => path.path.segments.last().is_some_and(|last| {
            ["Acquire", "Release", "AcqRel", "SeqCst"]
                .iter()
                .any(|order| last.ident == order)
        }),
        _ => false,
    };
    let relaxes = !MAYBE_ORDERED.contains(&primitive.name) || arguments.any(is_ordered);
    let all = primitive.weakenings.iter().copied();
    all.filter(|weakening| relaxes || *weakening != Weakening::Relax)
        .collect()
}

impl<'a> Visit<'a> for Visitor<'_> {
    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        if !is_test(module) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_impl(&mut self, item: &'a ItemImpl) {
        let of = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        let outer = std::mem::replace(&mut self.of, of);
        syn::visit::visit_item_impl(self, item);
        self.of = outer;
    }

    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        self.in_function(&function.attrs, &function.sig, |visitor| {
            syn::visit::visit_item_fn(visitor, function);
        });
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        self.in_function(&function.attrs, &function.sig, |visitor| {
            syn::visit::visit_impl_item_fn(visitor, function);
        });
    }

    fn visit_trait_item_fn(&mut self, function: &'a TraitItemFn) {
        self.in_function(&function.attrs, &function.sig, |visitor| {
            syn::visit::visit_trait_item_fn(visitor, function);
        });
    }

    fn visit_expr_closure(&mut self, closure: &'a syn::ExprClosure) {
        self.closures += 1;
        syn::visit::visit_expr_closure(self, closure);
        self.closures -= 1;
    }

    fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
        let is_shadow = match &*call.receiver {
            Expr::Field(field) => match &field.member {
                Member::Named(name) => self.shadows.contains(&name.to_string()),
                Member::Unnamed(_) => false,
            },
            _ => false,
        };
        if !is_shadow {
            let written = self.text(&call.receiver, &call.method);
            self.call(&call.method, &call.method, written, call.args.iter());
        }
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'a ExprCall) {
        if let Expr::Path(path) = &*call.func
            && let Some(last) = path.path.segments.last()
        {
            let written = self.text(&path.path, &last.ident);
            // A function that is called, not a method: its place is that of the whole path.
            let first = &path.path.segments[0].ident;
            if last.ident == "enter"
                && let Some(Expr::Lit(literal)) = call.args.first()
                && let syn::Lit::Str(name) = &literal.lit
            {
                let place = self.place(first);
                if let Some(function) = self.found.functions.last_mut() {
                    function.enters.push((place, name.value()));
                }
            }
            self.call(&last.ident, first, written, call.args.iter());
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, call: &'a Macro) {
        let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(arguments) = call.parse_body_with(parser) {
            for argument in arguments {
                // What is parsed here does not live as long as the file.
                Visitor {
                    file: self.file,
                    text: self.text,
                    shadows: self.shadows,
                    found: self.found,
                    function: self.function.as_ref().map(|current| Current {
                        name: current.name.clone(),
                        track_caller: current.track_caller,
                    }),
                    closures: self.closures,
                    of: self.of.clone(),
                }
                .visit_expr(&argument);
            }
        }
    }
}
