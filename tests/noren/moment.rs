//! The moment of an order call at which the network ends, counted in what has gone through: no clock decides it.

/// What goes through the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet {
    OrderCall,
    OrderAnswer,
    Other,
}

/// Where on the way of the next order every connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So many twelfths of its request have gone on.
    Asking(usize),
    /// So many twelfths of its answer have gone on.
    Answering(usize),
    /// So many packets of any connection have gone on since its answer.
    After(usize),
}

/// A moment that is to come, if any.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    moment: Option<Moment>,
    is_answered: bool,
}

impl Cut {
    /// The next order meets it.
    pub(crate) fn at(moment: Moment) -> Self {
        Self { moment: Some(moment), is_answered: false }
    }

    /// How many bytes of this packet still go on, if the connections end with it.
    pub(crate) fn meet(&mut self, packet: Packet, bytes: usize) -> Option<usize> {
        self.is_answered |= packet == Packet::OrderAnswer;
        let goes_on = match (self.moment?, packet) {
            (Moment::Asking(twelfths), Packet::OrderCall) | (Moment::Answering(twelfths), Packet::OrderAnswer) => bytes * twelfths / 12,
            (Moment::After(left @ 2..), Packet::Other) if self.is_answered => {
                self.moment = Some(Moment::After(left - 1));
                return None;
            }
            (Moment::After(_), Packet::Other) if self.is_answered => bytes,
            _ => return None,
        };
        self.moment = None;
        Some(goes_on)
    }
}

#[test]
fn a_cut_comes_once_and_where_it_was_told_to() {
    let order = [(Packet::Other, 90), (Packet::OrderCall, 120), (Packet::Other, 90), (Packet::OrderAnswer, 240), (Packet::Other, 70)];
    let met = |moment| {
        let mut cut = Cut::at(moment);
        let all = order.iter().chain(&order).map(|(packet, bytes)| cut.meet(*packet, *bytes)).collect::<Vec<_>>();
        let places: Vec<_> = all.into_iter().enumerate().filter_map(|(place, part)| Some((place, part?))).collect();
        assert_eq!(places.len(), 1, "{moment:?}");
        places[0]
    };
    assert_eq!([Moment::Asking(0), Moment::Asking(5), Moment::Asking(12)].map(met), [(1, 0), (1, 50), (1, 120)]);
    assert_eq!([Moment::Answering(0), Moment::Answering(12)].map(met), [(3, 0), (3, 240)]);
    assert_eq!([Moment::After(1), Moment::After(2)].map(met), [(4, 70), (5, 90)]);
    assert_eq!(Cut::default().meet(Packet::OrderCall, 1), None);
}
