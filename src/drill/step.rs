//! The steps, numbered. `docs/proof.md` shows the same table; a test keeps the two alike.

use std::fmt;

use ordergate_actors::order::event;
use ordergate_actors::persistence::CONTROL;

/// What has to happen for a process to come to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// It starts, while an order is in doubt.
    Start,
    /// An entry comes, and fills.
    Entry,
    /// An entry comes that a limit refuses.
    Refusal,
    /// The broker's answer to an entry is lost.
    Doubt,
    /// An entry was written as sent, and its call never made.
    Absence,
    /// The exchange cancels a working order.
    Book,
    /// A working order is cancelled by a person.
    Cancel,
    /// A working order is changed by a person.
    Change,
    /// A person stops entries.
    Kill,
    /// A position reaches its stop.
    Rule,
    /// A target turns a position through zero.
    Reversal,
    /// The process is told to end, with orders at work.
    Stop,
}

macro_rules! steps {
    ($($number:literal $step:ident $name:literal $act:ident $at:literal;)*) => {
        /// Where a process can be stopped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Step {
            $(#[doc = $at] $step = $number,)*
        }

        impl Step {
            /// Every step, in order.
            pub const ALL: &[Self] = &[$(Self::$step),*];

            /// The step's name, as settings and tables say it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$step => $name,)* }
            }

            /// Where the line is then.
            #[must_use]
            pub fn says(self) -> &'static str {
                match self { $(Self::$step => $at,)* }
            }

            /// What brings a process there.
            #[must_use]
            pub fn act(self) -> Act {
                match self { $(Self::$step => Act::$act,)* }
            }
        }
    };
}

steps! {
    1 StartOpened "start.opened" Start "The database is open, checked and bound; nothing was read.";
    2 StartLoaded "start.loaded" Start "What is on disk was read; no actor runs yet.";
    3 StartSession "start.session" Start "The broker's session was proven for the first time.";
    4 StartOrders "start.orders" Start "The first order book came; nothing was concluded from it.";
    5 StartTrades "start.trades" Start "The first trade book came.";
    6 StartPositions "start.positions" Start "The first positions came.";
    7 RegisterBefore "register.before" Entry "Before the commit of CREATED: the alert is not on disk.";
    8 RegisterAfter "register.after" Entry "After it, which may have the intention to send in it too; nobody was told.";
    9 RefuseBefore "refuse.before" Refusal "Before the commit of a refusal.";
    10 RefuseAfter "refuse.after" Refusal "After it.";
    11 SendBefore "send.before" Entry "Before the commit of SENT_TO_BROKER.";
    12 SendAfter "send.after" Entry "After it; the call was not made.";
    13 CallBefore "call.before" Entry "The call is about to be made; nothing left this machine.";
    14 CallDuring "call.during" Entry "The call is under way: 100 ms after it began.";
    15 CallAfter "call.after" Entry "The broker's answer is here; nothing of it is on disk.";
    16 AnswerBefore "answer.before" Entry "Before the commit of the broker's answer.";
    17 AnswerAfter "answer.after" Entry "After it.";
    18 DoubtBefore "doubt.before" Doubt "Before the commit of SEND_UNCONFIRMED: no clear answer came.";
    19 DoubtAfter "doubt.after" Doubt "After it.";
    20 AbsenceBefore "absence.before" Absence "Before the commit of NOT_AT_BROKER: absence was proven.";
    21 AbsenceAfter "absence.after" Absence "After it.";
    22 FillBefore "fill.before" Entry "Before the commit of a trade.";
    23 FillAfter "fill.after" Entry "After it.";
    24 BookBefore "book.before" Book "Before the commit of a row of the order book that tells news.";
    25 BookAfter "book.after" Book "After it.";
    26 CancelWantedBefore "cancel_wanted.before" Cancel "Before the commit of the wish to cancel.";
    27 CancelWantedAfter "cancel_wanted.after" Cancel "After it.";
    28 CancelSendBefore "cancel_send.before" Cancel "Before the commit of CANCEL_SENT.";
    29 CancelSendAfter "cancel_send.after" Cancel "After it; the call was not made.";
    30 CancelCallBefore "cancel_call.before" Cancel "The cancel is about to be called.";
    31 CancelCallDuring "cancel_call.during" Cancel "The cancel is under way.";
    32 CancelCallAfter "cancel_call.after" Cancel "The answer to the cancel is here.";
    33 CancelAnswerBefore "cancel_answer.before" Cancel "Before the commit of the answer to the cancel.";
    34 CancelAnswerAfter "cancel_answer.after" Cancel "After it.";
    35 ChangeSendBefore "change_send.before" Change "Before the commit of MODIFY_SENT.";
    36 ChangeSendAfter "change_send.after" Change "After it; the call was not made.";
    37 ChangeCallBefore "change_call.before" Change "The change is about to be called.";
    38 ChangeCallDuring "change_call.during" Change "The change is under way.";
    39 ChangeCallAfter "change_call.after" Change "The answer to the change is here.";
    40 ChangeAnswerBefore "change_answer.before" Change "Before the commit of the answer to the change.";
    41 ChangeAnswerAfter "change_answer.after" Change "After it.";
    42 KillBefore "kill.before" Kill "Before the commit of a kill level: it is latched, nobody was answered.";
    43 KillAfter "kill.after" Kill "After it; nobody was answered.";
    44 RuleSetBefore "rule_set.before" Rule "Before the commit of an exit rule.";
    45 RuleSetAfter "rule_set.after" Rule "After it.";
    46 RuleFiredBefore "rule_fired.before" Rule "Before the commit that the rule has fired, with its exit.";
    47 RuleFiredAfter "rule_fired.after" Rule "After it; its exit is registered and not judged.";
    48 PlanBefore "plan.before" Reversal "Before the commit of a plan of several steps.";
    49 PlanAfter "plan.after" Reversal "After it; its first step is not registered.";
    50 StopBefore "stop.before" Stop "The line has drained; the journal is not closed.";
    51 StopAfter "stop.after" Stop "The journal is closed; the process still runs.";
}

impl Step {
    /// The step's number.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The step with that number or name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let number = text.parse::<u8>().ok();
        Self::ALL.iter().copied().find(|step| Some(step.number()) == number || step.name().eq_ignore_ascii_case(text))
    }

    /// The steps before and after a commit that has a journal row with this event.
    pub(super) fn around(name: &str) -> Option<(Self, Self)> {
        Some(match name {
            event::CREATED => (Self::RegisterBefore, Self::RegisterAfter),
            event::REFUSED => (Self::RefuseBefore, Self::RefuseAfter),
            event::SENT_TO_BROKER => (Self::SendBefore, Self::SendAfter),
            event::BROKER_CONFIRMED | event::BROKER_REJECTED | event::NOT_SENT => (Self::AnswerBefore, Self::AnswerAfter),
            event::SEND_UNCONFIRMED => (Self::DoubtBefore, Self::DoubtAfter),
            event::NOT_AT_BROKER => (Self::AbsenceBefore, Self::AbsenceAfter),
            event::FILL => (Self::FillBefore, Self::FillAfter),
            event::BROKER_BOOK | event::EXECUTED | event::FAILED => (Self::BookBefore, Self::BookAfter),
            event::CANCEL_WANTED => (Self::CancelWantedBefore, Self::CancelWantedAfter),
            event::CANCEL_SENT => (Self::CancelSendBefore, Self::CancelSendAfter),
            event::CANCEL_REPLIED => (Self::CancelAnswerBefore, Self::CancelAnswerAfter),
            event::MODIFY_SENT => (Self::ChangeSendBefore, Self::ChangeSendAfter),
            event::MODIFY_REPLIED => (Self::ChangeAnswerBefore, Self::ChangeAnswerAfter),
            CONTROL => (Self::KillBefore, Self::KillAfter),
            "EXIT_RULE_SET" => (Self::RuleSetBefore, Self::RuleSetAfter),
            "EXIT_RULE_FIRED" => (Self::RuleFiredBefore, Self::RuleFiredAfter),
            "PLAN_BEGUN" => (Self::PlanBefore, Self::PlanAfter),
            _ => return None,
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_have_no_gap_and_every_name_reads_back() {
        for (number, step) in (1..).zip(Step::ALL) {
            assert_eq!(step.number(), number);
            assert_eq!(Step::parse(step.name()), Some(*step));
            assert_eq!(Step::parse(&number.to_string()), Some(*step));
        }
        assert_eq!((Step::parse("0"), Step::parse("call"), Step::parse("")), (None, None, None));
    }

    #[test]
    fn the_table_in_the_documents_is_this_one() {
        let document = include_str!("../../docs/proof.md");
        let table: Vec<String> =
            Step::ALL.iter().map(|step| format!("| {} | `{}` | {} |", step.number(), step.name(), step.says())).collect();
        let found: Vec<&str> = document.lines().filter(|line| table.iter().any(|row| row == line)).collect();
        assert_eq!(found, table, "docs/proof.md must have these rows, in this order:\n{}", table.join("\n"));
    }
}
