//! A basket is judged as a whole, and what comes of it is set going: it goes on to the guard, it is refused, or it waits.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::cover::Cover;
use super::waiting::Waits;
use super::{Judgement, QuoteCame, RiskActor};
use crate::guard::Admit;
use crate::order::{CommandId, GateVerdict, OrderFact, OrderRecord, Source, Tag, Terms};
use crate::persistence::{Book, Cargo, ControlChange, Level, OrderUnit, Posted, Registered, Unit, alarm};
use crate::plan::{Aim, Plan, Shot};
use crate::pnl::ContractKept;
use crate::supervision::{Shell, at_hand};

const EXIT_CUT: &str = "ALARM_EXIT_CUT";

/// An order that risk has cleared, with the terms that it settled. Made here and nowhere else.
#[derive(Debug)]
#[must_use = "a dropped token makes its order an orphan"]
pub struct RiskCleared {
    registered: Registered,
    terms: Terms,
    gates: Vec<GateVerdict>,
    note: Option<String>,
}

impl RiskCleared {
    /// The committed row.
    #[must_use]
    pub fn record(&self) -> &Arc<OrderRecord> {
        self.registered.record()
    }

    /// The settled order.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What risk said, rule by rule.
    #[must_use]
    pub fn gates(&self) -> &[GateVerdict] {
        &self.gates
    }

    /// What a person should hear of it.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    pub(crate) fn into_registered(self) -> (Registered, Vec<GateVerdict>) {
        (self.registered, self.gates)
    }

    pub(crate) fn decided(&mut self) {
        self.registered.decided();
    }
}

impl RiskActor {
    fn has_ended(&self, command_id: CommandId) -> bool {
        let ended = |book: &Book| book.order(command_id).is_some_and(|order| order.status.is_terminal());
        self.line.view.read(&self.desk.client_id, ended).unwrap_or(false)
    }

    /// The row as it stands: what it is for may have been settled since its token was made.
    fn renewed(&self, mut registered: Registered) -> Registered {
        let command_id = registered.record().command_id;
        if let Some(newest) = self.line.view.read(&self.desk.client_id, |book| book.order(command_id).cloned()).flatten() {
            registered.renew(&newest);
        }
        registered
    }

    fn aimed(&self, order: &OrderRecord, shot: Shot) -> Unit {
        let Shot { intent, side, quantity, product, left, reason } = shot;
        self.tell_of_the_rest(order, left);
        let fact = OrderFact::Aimed { intent, side, quantity, product, reason };
        self.fact(order.command_id, fact)
    }

    fn fact(&self, command_id: CommandId, fact: OrderFact) -> Unit {
        Unit::Order(OrderUnit { client_id: self.desk.client_id.clone(), command_id, fact, who: Arc::from(Self::NAME) })
    }

    /// Whether the engine looks after what an exit leaves until all is closed: it does after those of its own and of its plans, and not
    /// after somebody else's that it has only sent again.
    fn is_looked_after(&self, order: &OrderRecord) -> bool {
        let is_own = |first: &OrderRecord| matches!(first.source, Source::System | Source::Stop) || first.parent_command_id.is_some();
        self.line.view.read(&self.desk.client_id, |book| is_own(book.first_of(order))).unwrap_or(false)
    }

    /// An exit that leaves a rest which no other order is for.
    fn tell_of_the_rest(&self, order: &OrderRecord, left: i64) {
        if left == 0 || self.is_looked_after(order) {
            return;
        }
        let (strategy, symbol) = (&order.ask.strategy, &order.ask.symbol);
        let text = format!("{left} {symbol} of {strategy} are left: the exchange freezes larger orders; send the signal again for them");
        self.line.alarm(Some(&self.desk.client_id), EXIT_CUT, Level::Page, Some(order.command_id), text);
    }

    /// An exit that leaves units to an order of somebody else's: if that does not trade they stay open, and nobody sends another.
    fn tell_of_what_is_theirs(&self, order: &OrderRecord, theirs: Option<&str>) {
        let Some(theirs) = theirs.filter(|_| !self.is_looked_after(order)) else { return };
        let strategy = &order.ask.strategy;
        let text = format!("of an exit of {strategy} {theirs}: no other exit is for them. If it does not trade, send the signal again");
        self.line.alarm(Some(&self.desk.client_id), EXIT_CUT, Level::Page, Some(order.command_id), text);
    }

    /// What comes before an order can be aimed. Each look asks for it again until it is so; the second time changes nothing.
    fn take_step(&self, order: &OrderRecord, step: Aim) {
        match step {
            Aim::Clear(orders, why) => {
                for command_id in orders {
                    let wants = if order.is_exit() { "leaves it" } else { "wants another position" };
                    let reason = format!("{why}; order {} {wants}", order.command_id);
                    self.line.post_unit(self.fact(command_id, OrderFact::CancelWanted { tag: Tag::Superseded, reason }));
                }
            }
            Aim::Reverse(reverse, reason) => {
                let slot = Plan::slot_of(order.command_id);
                let unit = Plan::Reverse(reverse).begin(&self.desk.client_id, slot, order.command_id, Self::NAME, reason);
                unit.into_iter().for_each(|keep| self.line.post_unit(Unit::Keep(keep)));
            }
            Aim::Go(_) | Aim::End(..) | Aim::Wait(_) | Aim::Yield(_) => {}
        }
    }

    /// Judges a basket: its entries stand and fall together, its exits go on by themselves.
    /// `missing`: the quote that was asked for just now, should it be wanting.
    pub(super) fn assess(
        &mut self,
        group: Vec<Registered>,
        now: DateTime<Utc>,
        since: DateTime<Utc>,
        is_told: bool,
        missing: Option<&QuoteCame>,
    ) {
        let mut judged: Vec<(Registered, Judgement)> = Vec::with_capacity(group.len());
        for registered in group {
            at_hand(&self.desk.client_id, registered.record().command_id);
            // A cancel may have overtaken an order that waits: it has ended, and nothing waits for it any more.
            if self.has_ended(registered.record().command_id) {
                registered.into_ticket().finish_ended();
                continue;
            }
            let registered = self.renewed(registered);
            let judgement = self.judge_one(registered.record(), now, missing);
            let judgement = self.end_what_is_within(registered.record(), judgement, now);
            let judgement = self.keep_covered(registered.record(), judgement, now);
            judged.push((registered, judgement));
        }
        self.make_way(&judged, now);
        self.halt_who_storms(&judged, now);
        let stands_alone = judged.first().is_some_and(|(registered, _)| self.line.stands_alone(registered.record()));
        let sibling = judged.iter().find_map(|(registered, judgement)| match judgement {
            Judgement::Refuse { tag, reason, .. } if !registered.record().is_exit() && !stands_alone => Some((
                registered.record().command_id,
                *tag,
                format!("leg {} of this basket was refused: {reason}", registered.record().leg + 1),
            )),
            _ => None,
        });
        let entries_wait = judged.iter().any(|(registered, judgement)| {
            !registered.record().is_exit()
                && !stands_alone
                && matches!(judgement, Judgement::Wait { .. } | Judgement::Step(_) | Judgement::Quote | Judgement::Ask { .. })
        });
        if sibling.is_none() {
            self.ask_for_a_yes(&judged, now);
            self.ask_for_quotes(&judged);
        }
        let (mut cleared, mut waiting, mut refused, mut by_hand, mut why) = (Vec::new(), Vec::new(), Vec::new(), None, None);
        for (mut registered, judgement) in judged {
            let is_entry = !registered.record().is_exit();
            match (judgement, &sibling) {
                (Judgement::Refuse { tag, reason, gates }, _) => refused.push(refusal(registered, tag, reason, gates)),
                (Judgement::Clear { gates, .. }, Some((_, tag, reason))) if is_entry => {
                    refused.push(refusal(registered, *tag, reason.clone(), gates))
                }
                (Judgement::End { tag, reason }, _) => refused.push(refusal(registered, tag, reason, Vec::new())),
                (
                    Judgement::Wait { .. } | Judgement::Held { .. } | Judgement::Step(_) | Judgement::Quote | Judgement::Ask { .. },
                    Some((_, tag, reason)),
                ) if is_entry => refused.push(refusal(registered, *tag, reason.clone(), Vec::new())),
                // What it becomes is on disk within a moment, and then it is judged: its caller goes on waiting for that.
                (Judgement::Step(Aim::Go(shot)), _) => {
                    self.line.post_unit(self.aimed(registered.record(), shot));
                    waiting.push(registered);
                }
                (Judgement::Step(step), _) => {
                    match &step {
                        Aim::Yield(reason) => by_hand = Some((registered.record().command_id, reason.clone())),
                        Aim::Clear(_, reason) if !is_entry => why = why.or(Some(reason.clone())),
                        Aim::Clear(..) | Aim::Go(_) | Aim::End(..) | Aim::Wait(_) | Aim::Reverse(..) => {}
                    }
                    self.take_step(registered.record(), step);
                    registered.decided();
                    waiting.push(registered);
                }
                (Judgement::Clear { .. }, None) if is_entry && entries_wait => waiting.push(registered),
                (Judgement::Clear { terms, gates, note, left, theirs }, _) => {
                    self.write_down_the_contract(registered.record());
                    self.tell_of_the_rest(registered.record(), left);
                    self.tell_of_what_is_theirs(registered.record(), theirs.as_deref());
                    self.tell_who_closes_too(registered.record(), &terms, now);
                    cleared.push(RiskCleared { registered, terms, gates, note });
                }
                // Its caller goes on waiting: a quote comes within a moment, or does not.
                (Judgement::Quote, _) => waiting.push(registered),
                (
                    Judgement::Wait { reason } | Judgement::Held { reason } | Judgement::MakeWay { reason, .. } | Judgement::Ask { reason },
                    _,
                ) => {
                    // The caller hears that it is on disk and waits; said once, not at every look.
                    if since == now {
                        let command_id = registered.record().command_id;
                        tracing::info!(event = "order_waits", client_id = %self.desk.client_id, %command_id, "{reason}");
                    }
                    if registered.record().is_exit() {
                        why = why.or(Some(reason));
                    }
                    registered.decided();
                    waiting.push(registered);
                }
            }
        }
        if !refused.is_empty() {
            self.line.post(refused);
        }
        if !cleared.is_empty() {
            self.line.tell_guard(&self.desk.client_id, Admit { group: cleared });
        }
        if let Some(first) = waiting.first() {
            let number = first.record().number;
            self.waiting.groups.insert(number, Waits { orders: waiting, since, is_told, by_hand, why });
        }
    }

    /// Delays the sale of a hedge until the short option that it covers has been bought back; see [`Cover`].
    fn keep_covered(&mut self, order: &OrderRecord, judgement: Judgement, now: DateTime<Utc>) -> Judgement {
        let Judgement::Clear { terms, .. } = &judgement else { return judgement };
        let (covers, instruments) = (&mut self.covers, &*self.line.instruments);
        let cover = self.line.view.read(&self.desk.client_id, |book| covers.look(order, terms, book, instruments, now));
        match cover {
            Some(Cover::Waits(reason)) => Judgement::Wait { reason },
            Some(Cover::Uncovers(level, text)) => {
                self.line.alarm(Some(&self.desk.client_id), alarm::EXIT_UNCOVERS, level, Some(order.command_id), text);
                judgement
            }
            Some(Cover::Goes) | None => judgement,
        }
    }

    /// What a point of its contract is worth is on disk before the order leaves: this is posted before anything that comes of it.
    fn write_down_the_contract(&self, order: &OrderRecord) {
        let own = order.instrument().filter(|key| key.exchange.rupees_per_point().is_none() && !order.is_test());
        let Some(found) = own.and_then(|key| self.line.instruments.find(&key)) else { return };
        let news = self.line.view.read(&self.desk.client_id, |book| ContractKept::before_an_order(book, &found)).flatten();
        let Some((contract, basis)) = news else { return };
        let why = format!("a point of {} is worth {} rupees a unit by the master of the day", found.key, found.rupees_per_point);
        if let Some(keep) = contract.keep(&self.desk.client_id, basis, ("CONTRACT_KNOWN", Level::Info), (Self::NAME, why)) {
            self.line.post_unit(Unit::Keep(keep));
        }
    }

    /// A basket whose every entry could go, but for a person's yes, is put before a person: durably, and once.
    fn ask_for_a_yes(&self, judged: &[(Registered, Judgement)], now: DateTime<Utc>) {
        let mut entries = judged.iter().filter(|(registered, _)| !registered.record().is_exit()).peekable();
        let Some((first, _)) = entries.peek() else { return };
        let record = Arc::clone(first.record());
        // A leg that waits for something else keeps the whole basket from being shown: it may yet be refused.
        let are_all_judged =
            entries.all(|(_, judgement)| !matches!(judgement, Judgement::Wait { .. } | Judgement::Step(_) | Judgement::Quote));
        let is_asked = judged.iter().any(|(_, judgement)| matches!(judgement, Judgement::Ask { .. }));
        let was_asked =
            self.line.view.read(&self.desk.client_id, |book| book.control().approvals.contains_key(&record.basket_id)).unwrap_or(true);
        if !are_all_judged || !is_asked || was_asked {
            return;
        }
        let limit = chrono::Duration::from_std(self.desk.settings.arming.approval_limit).unwrap_or(chrono::Duration::MAX);
        let until = now.checked_add_signed(limit).unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.line.post_unit(Unit::Control {
            client_id: self.desk.client_id.clone(),
            change: ControlChange::AskApproval { basket: record.basket_id, until },
            who: Arc::from(Self::NAME),
            reason: Arc::from(format!("{} {} waits for a yes", record.ask.strategy, record.ask.symbol)),
        });
    }
}

/// A refusal on its way to the disk; its commit ends the ticket.
pub(crate) fn refusal(registered: Registered, tag: Tag, reason: String, gates: Vec<GateVerdict>) -> Posted {
    let (client_id, command_id) = (registered.record().client_id.clone(), registered.record().command_id);
    let who = Arc::from(crate::supervision::current_actor());
    Posted {
        unit: Unit::Order(OrderUnit { client_id, command_id, fact: OrderFact::Refused { tag, reason, gates }, who }),
        cargo: Cargo::Ticket(registered.into_ticket()),
    }
}
