// SPDX-License-Identifier: GPL-2.0-only
//! A scenario in the form of its file.
//!
//! What a file may leave out is written, so that the text means the same should a default ever
//! change.

use super::{Actor, Client, Epilogue, Expectation, Inode, Net, Open, Operation, Scenario};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use std::collections::BTreeMap;

impl Scenario {
    /// The text of a file that reads as this scenario.
    ///
    /// # Panics
    ///
    /// Never: a scenario has nothing that JSON has not.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("only strings are keys");
        text.push('\n');
        text
    }
}

impl Serialize for Scenario {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("about", &self.about)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("nets", &self.nets)?;
        map.serialize_entry("inodes", &self.inodes)?;
        if !self.clients.is_empty() {
            map.serialize_entry("clients", &Clients(self))?;
        }
        if self.alloc_may_fail {
            map.serialize_entry("alloc", "may-fail")?;
        }
        map.serialize_entry("gc_passes", &self.gc_passes)?;
        map.serialize_entry("preempt_rcu", &self.preempt_rcu)?;
        let epilogue = match self.epilogue {
            Epilogue::Stop => "stop",
            Epilogue::None => "none",
        };
        map.serialize_entry("epilogue", epilogue)?;
        map.serialize_entry("setup", &Operations(self, &self.setup))?;
        map.serialize_entry("actors", &Actors(self))?;
        if !self.expect.is_empty() {
            map.serialize_entry("expect", &Expectations(&self.expect))?;
        }
        if !self.expect_rc11.is_empty() {
            map.serialize_entry("expect_rc11", &Expectations(&self.expect_rc11))?;
        }
        map.end()
    }
}

impl Serialize for Net {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.user {
            return serializer.serialize_str(&self.name);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("user", &true)?;
        map.end()
    }
}

impl Serialize for Inode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            name,
            writeback_error,
            open,
            flush_on_close,
            directory,
            leased,
        } = self;
        let is_plain = *open == Open::Ok && !directory && !leased;
        if !writeback_error && is_plain && !flush_on_close {
            return serializer.serialize_str(name);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", name)?;
        map.serialize_entry("writeback_error", writeback_error)?;
        map.serialize_entry("open", open.name())?;
        map.serialize_entry("flush_on_close", flush_on_close)?;
        if *directory {
            map.serialize_entry("directory", directory)?;
        }
        if *leased {
            map.serialize_entry("leased", leased)?;
        }
        map.end()
    }
}

struct Clients<'s>(&'s Scenario);

impl Serialize for Clients<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.clients.len()))?;
        for Client { name, net } in &self.0.clients {
            let net = &self.0.nets[*net].name;
            list.serialize_element(&BTreeMap::from([("name", name), ("net", net)]))?;
        }
        list.end()
    }
}

struct Operations<'s>(&'s Scenario, &'s [Operation]);

impl Serialize for Operations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(scenario, operations) = self;
        let mut list = serializer.serialize_seq(Some(operations.len()))?;
        for operation in *operations {
            list.serialize_element(&operation.display(scenario).to_string())?;
        }
        list.end()
    }
}

struct Actors<'s>(&'s Scenario);

impl Serialize for Actors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.actors.len()))?;
        for Actor { name, operations } in &self.0.actors {
            map.serialize_entry(name, &Operations(self.0, operations))?;
        }
        map.end()
    }
}

struct Expectations<'s>(&'s [(String, Expectation)]);

impl Serialize for Expectations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (model, expectation) in self.0 {
            map.serialize_entry(model, expectation)?;
        }
        map.end()
    }
}
