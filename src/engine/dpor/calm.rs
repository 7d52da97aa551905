// SPDX-License-Identifier: GPL-2.0-only
//! The calmest telling of an execution that was found.
//!
//! The order in which the search happened to run the steps of an execution is one of many that come
//! to the same. The one to show is one in which a thread goes on as long as it can, so that the few
//! switches that are left are those that matter, and in which no step stands that the violation
//! does not need. It is also one in which each grace period has waited for every section that had
//! begun before it, which the search only knows to exist.

use super::search::Event;

/// A grace period and a section of the same domain that happens-before does not put before it, by
/// the indices of their events. Either the section ended before the grace period did, or it began
/// after the grace period.
#[derive(Clone, Copy, Debug)]
pub(super) struct GraceOrder {
    pub(super) begun: usize,
    pub(super) ended: usize,
    pub(super) section_begun: usize,
    pub(super) section_ended: Option<usize>,
}

/// The events in a calm order; only those that the last one needs, where it `ends` the execution.
/// `None` where no order was found that the grace periods allow.
pub(super) fn order(events: &[Event], ends: bool, grace: &[GraceOrder]) -> Option<Vec<usize>> {
    let last = events.last()?;
    let is_needed = |event: &Event| !ends || last.clock.knows(event.thread, event.number);
    let wanted: Vec<usize> = (0..events.len())
        .filter(|&index| is_needed(&events[index]))
        .collect();
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); events.len()];
    for &index in &wanted {
        let clock = &events[index].clock;
        let earlier = wanted.iter().copied().take_while(|&other| other < index);
        before[index] = earlier
            .filter(|&other| clock.knows(events[other].thread, events[other].number))
            .collect();
    }
    for order in grace {
        let is_wanted = |index: usize| is_needed(&events[index]);
        if !is_wanted(order.ended) || !is_wanted(order.section_begun) {
            continue;
        }
        match order.section_ended {
            Some(ended) if ended < order.ended && is_wanted(ended) => {
                before[order.ended].push(ended);
            }
            _ => before[order.section_begun].push(order.begun),
        }
    }
    let mut threads: Vec<usize> = wanted.iter().map(|&index| events[index].thread).collect();
    threads.sort_unstable();
    threads.dedup();
    let orders = threads
        .into_iter()
        .filter_map(|first| beginning_with(events, &wanted, &before, first));
    let calmest = orders.min_by_key(|(switches, _)| *switches);
    calmest.map(|(_, order)| order)
}

/// An order in which a thread goes on as long as it can, and the switches in it.
fn beginning_with(
    events: &[Event],
    wanted: &[usize],
    before: &[Vec<usize>],
    first: usize,
) -> Option<(usize, Vec<usize>)> {
    let mut left = wanted.to_vec();
    let mut done = vec![false; events.len()];
    let mut order = Vec::with_capacity(left.len());
    let mut switches = 0;
    let mut current = first;
    while !left.is_empty() {
        let is_ready = |&index: &usize| before[index].iter().all(|&other| done[other]);
        let mut ready = left.iter().copied().filter(is_ready);
        let mut next = ready.next()?;
        if events[next].thread != current {
            let goes_on = ready.find(|&index| events[index].thread == current);
            next = goes_on.unwrap_or(next);
        }
        if events[next].thread != current {
            switches += 1;
            current = events[next].thread;
        }
        left.retain(|&index| index != next);
        done[next] = true;
        order.push(next);
    }
    Some((switches, order))
}
