//! The routes of the broker (Noren protocol reference, section 1.2).

macro_rules! routes {
    ($($name:ident),+ $(,)?) => {
        /// A route that the simulator answers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the names are the protocol's")]
        pub enum Route { $($name),+ }

        impl Route {
            /// Every route.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The route's name on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

routes!(
    QuickAuth,
    GenAcsTok,
    ApiToken,
    Logout,
    UserDetails,
    PlaceOrder,
    ModifyOrder,
    CancelOrder,
    OrderBook,
    TradeBook,
    SingleOrdHist,
    PositionBook,
    Holdings,
    Limits,
    GetOrderMargin,
    GetBasketMargin,
    GetQuotes,
    SearchScrip,
    GetSecurityInfo,
    GetOptionChain,
);

impl Route {
    /// The route of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|route| route.as_str() == name).or((name == "apitoken").then_some(Self::ApiToken))
    }

    /// Whether it needs a session.
    #[must_use]
    pub fn needs_session(self) -> bool {
        !matches!(self, Self::QuickAuth | Self::GenAcsTok | Self::ApiToken)
    }
}
