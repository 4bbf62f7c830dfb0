//! The simulated Noren broker from outside: raw HTTP and raw sockets against the protocol reference.

mod client;
mod faults;
mod life;
mod orders;
mod replies;
mod sockets;
