// SPDX-License-Identifier: GPL-2.0-only
//! No guard without a scenario that misses it.
//!
//! Each call of a primitive in `src/nfsd/` and `src/kernel/` ([`sites`]) is weakened, one at a time
//! and in every way that makes sense for the primitive ([`primitives`]): a lock that is not taken, a
//! flag that is not looked at, an ordering relaxed, a reference not taken, a wait that does not
//! wait, a step after the next one. Scenarios that hold then have to show a violation. Where none
//! does, either the call guards nothing, which [`argued`] says with the reason, or a scenario is
//! missing.
//!
//! How a run weakens one call is in [`crate::sync::mutation`]; the lifecycle's code knows nothing of
//! it.
//!
//! # What it can and cannot say
//!
//! *Caught* is a fact: a scenario that holds does not hold without that call. *Survived* says only
//! that none was found within the number of executions that each scenario gets. A scenario that
//! does not reach a call within that number when nothing is weakened behaves the same with the call
//! weakened, so it is left out. Orderings are relaxed under sequential consistency first, where
//! races of plain memory show what is missing, and under RC11 then.

pub mod argued;
pub mod branches;
pub mod coverage;
pub mod fidelity;
pub mod primitives;
pub mod run;
pub mod sites;
