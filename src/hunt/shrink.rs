// SPDX-License-Identifier: GPL-2.0-only
//! The smallest scenario that still shows a violation.
//!
//! A scenario is made smaller in one of a few ways, and the first way that keeps the violation is
//! taken, until none does: an actor less, an operation less, one of the setup less, a net or an
//! inode less. What uses something that is gone goes with it.

use super::space::{client_of, file_of, give_threads, inode_of, net_of, parts, refusal};
use crate::scenario::{Operation, Scenario};

/// Make it smaller for as long as `shows` says that it still is one. `None` where `shows` does not
/// know, because the search is being stopped.
pub fn shrink(
    scenario: Scenario,
    mut shows: impl FnMut(&Scenario) -> Option<bool>,
) -> Option<Scenario> {
    let mut smallest = scenario;
    'smaller: loop {
        for candidate in smaller(&smallest) {
            if is_valid(&candidate) && shows(&candidate)? {
                smallest = candidate;
                continue 'smaller;
            }
        }
        return Some(smallest);
    }
}

/// Whether correct callers may do this.
pub(super) fn is_valid(scenario: &Scenario) -> bool {
    let actors = scenario.actors.iter().map(|actor| actor.operations.clone());
    let actors: Vec<_> = actors.collect();
    let file = format!("{}.json", scenario.name);
    refusal(&scenario.clients, &scenario.setup, &actors, false).is_none()
        && Scenario::parse(&file, scenario.to_json().as_bytes(), &[]).is_ok()
}

/// All scenarios that are one step smaller, the much smaller ones first.
fn smaller(scenario: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    for actor in 0..scenario.actors.len() {
        let mut less = scenario.clone();
        less.actors.remove(actor);
        all.push(less);
    }
    for actor in 0..scenario.actors.len() {
        for at in 0..scenario.actors[actor].operations.len() {
            let mut less = scenario.clone();
            less.actors[actor].operations.remove(at);
            all.push(less);
        }
    }
    for at in 0..scenario.setup.len() {
        let mut less = scenario.clone();
        less.setup.remove(at);
        all.push(less);
    }
    for from in 1..scenario.nets.len() {
        let mut less = with_each(scenario, |operation| {
            if let Some(net) = net_of(operation)
                && *net == from
            {
                *net = 0;
            }
        });
        for client in less.clients.iter_mut().filter(|client| client.net == from) {
            client.net = 0;
        }
        all.push(less);
    }
    for from in 1..scenario.inodes.len() {
        all.push(with_each(scenario, |operation| {
            if let Some(inode) = inode_of(operation)
                && *inode == from
            {
                *inode = 0;
            }
        }));
    }
    all.iter()
        .filter_map(tidy)
        .filter(|less| less != scenario)
        .collect()
}

fn with_each(scenario: &Scenario, change: impl Fn(&mut Operation)) -> Scenario {
    let mut changed = scenario.clone();
    each(&mut changed, change);
    changed
}

fn each(scenario: &mut Scenario, change: impl FnMut(&mut Operation)) {
    let actors = scenario
        .actors
        .iter_mut()
        .map(|actor| &mut actor.operations);
    let all = std::iter::once(&mut scenario.setup).chain(actors);
    all.flatten().for_each(change);
}

/// Without what uses a file that nobody makes, actors that do nothing, and names that nobody uses.
/// `None` where no actor is left.
fn tidy(scenario: &Scenario) -> Option<Scenario> {
    let mut tidied = scenario.clone();
    let mut made = vec![false; tidied.files.len()];
    each(&mut tidied, |operation| {
        if let (true, Some(file)) = (parts(operation).makes, parts(operation).file) {
            made[file] = true;
        }
    });
    let is_made = |operation: &Operation| parts(operation).file.is_none_or(|file| made[file]);
    tidied.setup.retain(is_made);
    for actor in &mut tidied.actors {
        actor.operations.retain(is_made);
    }
    tidied.actors.retain(|actor| !actor.operations.is_empty());
    if tidied.actors.is_empty() {
        return None;
    }
    let (mut nets, mut inodes) = (
        vec![false; tidied.nets.len()],
        vec![false; tidied.inodes.len()],
    );
    let mut clients = vec![false; tidied.clients.len()];
    each(&mut tidied, |operation| {
        let parts = parts(operation);
        parts.net.into_iter().for_each(|net| nets[net] = true);
        parts
            .inode
            .into_iter()
            .for_each(|inode| inodes[inode] = true);
        let client = parts.client.into_iter();
        client.for_each(|client| clients[client] = true);
    });
    keep(&mut tidied.clients, &clients);
    for client in &tidied.clients {
        nets[client.net] = true;
    }
    // A scenario needs a net.
    if !nets.contains(&true) {
        nets[0] = true;
    }
    keep(&mut tidied.nets, &nets);
    keep(&mut tidied.inodes, &inodes);
    keep(&mut tidied.files, &made);
    let place = |kept: &[bool], at: usize| kept[..at].iter().filter(|kept| **kept).count();
    for client in &mut tidied.clients {
        client.net = place(&nets, client.net);
    }
    each(&mut tidied, |operation| {
        if let Some(client) = client_of(operation) {
            *client = place(&clients, *client);
        }
        if let Some(net) = net_of(operation) {
            *net = place(&nets, *net);
        }
        if let Some(inode) = inode_of(operation) {
            *inode = place(&inodes, *inode);
        }
        if let Some(file) = file_of(operation) {
            *file = place(&made, *file);
        }
    });
    give_threads(&mut tidied);
    Some(tidied)
}

fn keep<T>(things: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    things.retain(|_| kept.next() == Some(&true));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_goes() {
        let text = r#"{"name": "s", "nets": ["A", "B"], "inodes": ["i0", "i1"],
            "setup": ["start A", "start B", "x = acquire B i1 gc", "put x", "y = local_open A i0"],
            "actors": {"a": ["shrink", "gc"], "b": ["local_done y"], "c": ["flush A", "stop B"]}}"#;
        let scenario = Scenario::parse("s.json", text.as_bytes(), &[]).unwrap();
        let needs = |scenario: &Scenario| {
            let has = |wanted: fn(&Operation) -> bool| {
                let actors = scenario.actors.iter().flat_map(|actor| &actor.operations);
                scenario.setup.iter().chain(actors).any(wanted)
            };
            has(|op| matches!(op, Operation::Gc))
                && has(|op| matches!(op, Operation::Stop { .. }))
                && has(|op| matches!(op, Operation::Acquire { gc: true, .. }))
        };
        let mut asked = 0;
        let smallest = shrink(scenario, |scenario| {
            asked += 1;
            Some(needs(scenario))
        });
        let smallest = smallest.unwrap();
        let text: Vec<_> = smallest
            .setup
            .iter()
            .map(|op| op.display(&smallest).to_string())
            .collect();
        assert_eq!(text, ["start B", "x = acquire B i1 gc"]);
        let actors = smallest.actors.iter().map(|actor| {
            let operations = actor.operations.iter();
            operations
                .map(|op| op.display(&smallest).to_string())
                .collect::<Vec<_>>()
        });
        assert_eq!(actors.collect::<Vec<_>>(), [["gc"], ["stop B"]]);
        assert_eq!((smallest.nets.len(), smallest.inodes.len()), (1, 1));
        assert!(asked < 100);
        assert_eq!(shrink(smallest, |_| None), None);
    }
}
