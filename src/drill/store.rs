//! The steps around each commit.

use std::collections::BTreeSet;

use ordergate_actors::ports::{Verdict, Write};

use super::{Drill, Step};
use crate::store::Steps;

/// Stops around the commit of a certain row.
pub(super) struct Commits {
    drill: Drill,
    /// The steps before and after the commit of what was written since the transaction began.
    around: BTreeSet<(Step, Step)>,
}

impl Commits {
    pub(super) fn of(drill: Drill) -> Self {
        Self { drill, around: BTreeSet::new() }
    }
}

impl Steps for Commits {
    fn loaded(&mut self) {
        self.drill.reach(Step::StartLoaded);
    }

    fn begins(&mut self) {
        self.around.clear();
    }

    fn written(&mut self, writes: &[Write], verdict: &Verdict) {
        if *verdict == Verdict::Done {
            let events = writes.iter().filter_map(|write| if let Write::Journal(row) = write { Some(&row.event) } else { None });
            self.around.extend(events.filter_map(|event| Step::around(event)));
        }
    }

    fn commits(&mut self) {
        for (before, _) in &self.around {
            self.drill.reach(*before);
        }
    }

    fn committed(&mut self) {
        for (_, after) in &self.around {
            self.drill.reach(*after);
        }
    }

    fn closes(&mut self) {
        self.drill.reach(Step::StopBefore);
    }

    fn closed(&mut self) {
        self.drill.reach(Step::StopAfter);
    }
}
