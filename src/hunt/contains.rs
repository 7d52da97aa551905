// SPDX-License-Identifier: GPL-2.0-only
//! Whether one scenario is inside another: with other names it is what is left of the larger one
//! when operations are taken out.

use super::space::{client_of, file_of, inode_of, net_of};
use crate::scenario::{Operation, Scenario};

/// Names of the smaller scenario by those of the larger one.
#[derive(Clone, Default)]
struct Names {
    nets: Vec<usize>,
    inodes: Vec<usize>,
    clients: Vec<usize>,
    files: Vec<Option<usize>>,
}

/// Whether `small` is inside `large`. Operations are found at the first place where they can be, so
/// that a way to fit in may be missed, and what is found is one.
#[must_use]
pub fn contains(large: &Scenario, small: &Scenario) -> bool {
    if small.actors.len() > large.actors.len() {
        return false;
    }
    let flags = |nets: &[crate::scenario::Net]| nets.iter().map(|net| net.user).collect::<Vec<_>>();
    let (small_nets, large_nets) = (flags(&small.nets), flags(&large.nets));
    for nets in injections(small.nets.len(), large.nets.len()) {
        if nets
            .iter()
            .enumerate()
            .any(|(s, l)| small_nets[s] != large_nets[*l])
        {
            continue;
        }
        for inodes in injections(small.inodes.len(), large.inodes.len()) {
            for clients in injections(small.clients.len(), large.clients.len()) {
                let mut pairs = small.clients.iter().zip(&clients);
                if pairs.any(|(client, at)| nets[client.net] != large.clients[*at].net) {
                    continue;
                }
                let mut names = Names {
                    nets: nets.clone(),
                    inodes: inodes.clone(),
                    clients,
                    files: vec![None; small.files.len()],
                };
                let mut taken = vec![false; large.actors.len()];
                if fits(&small.setup, &large.setup, &mut names)
                    && actors_fit(small, large, 0, &mut taken, &names)
                {
                    return true;
                }
            }
        }
    }
    false
}

/// All ways to give each of `small` things another one of `large`.
fn injections(small: usize, large: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..small {
        let longer = all.iter().flat_map(|so_far: &Vec<usize>| {
            let free = (0..large).filter(|to| !so_far.contains(to));
            free.map(|to| [&so_far[..], &[to]].concat())
                .collect::<Vec<_>>()
        });
        all = longer.collect();
    }
    all
}

fn actors_fit(
    small: &Scenario,
    large: &Scenario,
    next: usize,
    taken: &mut Vec<bool>,
    names: &Names,
) -> bool {
    let Some(actor) = small.actors.get(next) else {
        return true;
    };
    for (index, other) in large.actors.iter().enumerate() {
        if taken[index] {
            continue;
        }
        let mut names = names.clone();
        if fits(&actor.operations, &other.operations, &mut names) {
            taken[index] = true;
            if actors_fit(small, large, next + 1, taken, &names) {
                return true;
            }
            taken[index] = false;
        }
    }
    false
}

/// Whether one sequence is a subsequence of another.
fn fits(small: &[Operation], large: &[Operation], names: &mut Names) -> bool {
    let mut large = large.iter();
    small
        .iter()
        .all(|operation| large.any(|other| is_same(operation, other, names)))
}

fn is_same(small: &Operation, large: &Operation, names: &mut Names) -> bool {
    let (mut renamed, mut large) = (*small, *large);
    if let Some(net) = net_of(&mut renamed) {
        *net = names.nets[*net];
    }
    if let Some(inode) = inode_of(&mut renamed) {
        *inode = names.inodes[*inode];
    }
    if let Some(client) = client_of(&mut renamed) {
        *client = names.clients[*client];
    }
    let mut bound = None;
    if let (Some(file), Some(to)) = (file_of(&mut renamed), file_of(&mut large)) {
        match names.files[*file] {
            Some(known) if known != *to => return false,
            Some(_) => {}
            None => bound = Some((*file, *to)),
        }
        *file = *to;
    }
    // How many threads a server has is no part of what is looked for.
    for operation in [&mut renamed, &mut large] {
        if let Operation::Start { threads, .. } = operation {
            *threads = 1;
        }
    }
    if renamed != large {
        return false;
    }
    if let Some((file, to)) = bound {
        names.files[file] = Some(to);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(setup: &str, actors: &[&str]) -> Scenario {
        let list = |text: &str| {
            let operations = text.split("; ").filter(|op| !op.is_empty());
            let operations: Vec<_> = operations.map(|op| format!("\"{op}\"")).collect();
            operations.join(", ")
        };
        let actors = actors.iter().enumerate();
        let actors: Vec<_> = actors
            .map(|(i, text)| format!("\"a{i}\": [{}]", list(text)))
            .collect();
        let text = format!(
            r#"{{"name": "s", "nets": ["A", "B"], "inodes": ["i0", "i1"],
                "setup": [{}], "actors": {{{}}}}}"#,
            list(setup),
            actors.join(", ")
        );
        Scenario::parse("s.json", text.as_bytes(), &[]).unwrap()
    }

    #[test]
    fn names_and_the_order_of_actors_do_not_matter() {
        let small = scenario("start A; x = acquire A i0 gc; put x", &["gc", "stop A"]);
        let large = scenario(
            "start A; start B; y = acquire B i0; x = acquire B i1 gc; put x; gc",
            &["stop A", "shrink; flush B; stop B", "put y; gc"],
        );
        assert!(contains(&large, &small));
        assert!(contains(&small, &small));
        assert!(!contains(&small, &large));
    }

    #[test]
    fn what_is_missing_is_missed() {
        let small = scenario("start A; x = acquire A i0 gc; put x", &["gc", "stop A"]);
        // The file is of another net, of one actor, or not put.
        for (setup, actors) in [
            (
                "start A; x = acquire A i0 gc; put x",
                &["gc", "start B; stop B"],
            ),
            (
                "start A; x = acquire A i0 gc; put x",
                &["gc; stop A", "shrink"],
            ),
            ("start A; x = acquire A i0 gc", &["gc", "stop A"]),
        ] {
            assert!(
                !contains(&scenario(setup, actors), &small),
                "{setup} {actors:?}"
            );
        }
    }
}
