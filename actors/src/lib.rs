//! The engine of ordergate: six actors, pure cores, no HTTP, no SQL, no TLS, no wall clock.
//!
//! ```text
//! webhook, dashboard, strategies ─▶ Engine::submit (permits)          kill, risk exits (fired inside)
//!                                        │ Submit                              │ Submit
//!                                        ▼                                     ▼
//!                                  IngressActor ── Register ─────────▶ PersistenceActor ─▶ writer thread ─▶ Store
//!                                        ┌────── Assess(Registered) ─────────── │ ▲ ▲ ▲
//!                                   RiskActor  ────────────────── Refused ─────┘ │ │ │
//!                                        │ Admit(RiskCleared)                    │ │ │
//!                                   GuardActor ────────────────── Refused ───────┘ │ │
//!                                        │ Place(Admitted)                         │ │
//!                                   BrokerActor ── SendIntended, the answer ───────┘ │
//!                                        │ BookRead          ▲ Read, CancelOrder     │
//!                                  WatcherActor ── BookRow, Fill, Absent ────────────┘
//! ```
//!
//! Read next: [`order::lifecycle`] (what may happen to an order), [`persistence`] (how facts become states),
//! [`risk`] and [`guard`] (the gates), [`broker`] (sending exactly once), [`watcher`] (the broker's truth).

pub mod arming;
pub mod broker;
pub mod desk;
pub mod engine;
mod engine_signal;
pub mod exits;
mod exits_again;
pub mod explain;
pub mod guard;
pub mod ingress;
pub mod line;
pub mod order;
pub mod persistence;
pub mod plan;
pub mod pnl;
pub mod ports;
pub mod risk;
pub mod routes;
pub mod settings;
pub mod start;
pub mod steady;
pub mod supervision;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod watcher;

pub use engine::{Engine, EngineError, StopError};
pub use line::{Desk, Line, Phase, World};
pub use settings::{AccountSettings, Holds, Limits, MarginPercent, OnShortfall, QuantityUnit, QuantityUnits, Resends, Settings, Waits};
pub use start::{Parts, WriteOn};
