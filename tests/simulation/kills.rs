//! Which kills were answered and not taken back: what INV-10 is held against.

use std::collections::BTreeMap;
use std::sync::Arc;

use ordergate_actors::order::Strategy;
use ordergate_actors::persistence::{Control, KillLevel};
use parking_lot::Mutex;

/// Of the account (`None`) and of its strategies. They outlive the engine's processes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kills(Arc<Mutex<BTreeMap<Option<Strategy>, Kill>>>);

/// A kill that was answered.
#[derive(Debug, Clone, Copy, Default)]
struct Kill {
    /// Somebody has asked to re-arm since. It holds until that is on disk, also if the process died over it.
    is_being_lifted: bool,
}

impl Kills {
    /// A person is about to ask for that level.
    pub(crate) fn asked(&self, whose: Option<&Strategy>, level: KillLevel) {
        if level == KillLevel::None
            && let Some(kill) = self.0.lock().get_mut(&whose.cloned())
        {
            kill.is_being_lifted = true;
        }
    }

    /// That level was answered.
    pub(crate) fn answered(&self, whose: Option<&Strategy>, level: KillLevel) {
        let mut kills = self.0.lock();
        match level {
            KillLevel::None => kills.remove(&whose.cloned()),
            _ => kills.insert(whose.cloned(), Kill::default()),
        };
    }

    /// Whether no entry of the strategy may be called or changed. `control`: the controls as they are on disk.
    pub(crate) fn forbid(&self, strategy: &Strategy, control: impl Fn() -> Result<Control, String>) -> Result<bool, String> {
        for whose in [None, Some(strategy)] {
            let kill = self.0.lock().get(&whose.cloned()).copied();
            let Some(Kill { is_being_lifted }) = kill else { continue };
            if !is_being_lifted || control()?.level_of(whose) != KillLevel::None {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
