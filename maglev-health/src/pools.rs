//! Which pool serves, and what each member weighs: one pure function.

use std::fmt;

use crate::{AgentWord, Weight};

/// What a member's backend means to the pools of one frontend.
///
/// ```
/// use maglev_health::{Standing, Weight};
///
/// let held = Standing::Held { weight: Weight::MAX, leaving: Weight::ZERO };
/// assert!(held.is_unknown() && held.counts_as_up());
/// assert!(!Standing::Out.counts_as_up());
/// ```
#[expect(clippy::exhaustive_enums, reason = "the rows of the weight table")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Standing {
    /// Up: its weight in the active pool, 0 in another.
    Up,
    /// Unknown and held: what VPP had, in any pool.
    Held {
        /// What VPP had for its address.
        weight: Weight,
        /// What VPP has for an address that it is leaving, which keeps serving until the new one's first verdict.
        leaving: Weight,
    },
    /// Unknown and held, but VPP has not been read: weight 0 for now, not to be programmed.
    Pending,
    /// Unknown and not held: 0.
    Unknown,
    /// Down, paused or disabled: 0.
    Out,
}

impl Standing {
    /// True if the backend counts as up when the active pool is chosen. Pending does: after a restart it is far more
    /// likely to serve than not, and a frontend that seems to fail over and back would only alarm.
    #[must_use]
    pub const fn counts_as_up(self) -> bool {
        match self {
            Self::Up | Self::Pending => true,
            Self::Held { weight, leaving } => weight.is_positive() || leaving.is_positive(),
            Self::Unknown | Self::Out => false,
        }
    }

    /// True if the backend has not left `unknown`.
    #[must_use]
    pub const fn is_unknown(self) -> bool {
        matches!(self, Self::Held { .. } | Self::Pending | Self::Unknown)
    }
}

/// One row of a pool.
///
/// ```
/// use maglev_health::{Member, Standing, Weight};
///
/// let member = Member { standing: Standing::Up, configured: Weight::MAX, overridden: Weight::new(20), agent: None };
/// assert_eq!(member.weight().get(), 20);
/// let half = Member { agent: Some("50%".parse()?), ..member };
/// assert_eq!(half.weight().get(), 10);
/// # Ok::<(), maglev_health::AgentError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Member {
    /// What its backend's state means here.
    pub standing: Standing,
    /// As configured.
    pub configured: Weight,
    /// As an operator has set it, over the configuration's head.
    pub overridden: Option<Weight>,
    /// What its server says of itself.
    pub agent: Option<AgentWord>,
}

impl Member {
    /// The operator's weight, else the configured one, scaled by what the server says.
    #[must_use]
    pub fn weight(&self) -> Weight {
        let weight = self.overridden.unwrap_or(self.configured);
        self.agent.map_or(weight, |word| word.scale(weight))
    }
}

/// Whether a frontend serves.
///
/// ```
/// use maglev_health::FrontendState;
///
/// assert_eq!(FrontendState::default(), FrontendState::Unknown);
/// assert_eq!(FrontendState::Down.to_string(), "down");
/// ```
#[expect(clippy::exhaustive_enums, reason = "complete: metrics show every state")]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum FrontendState {
    /// No backend has left `unknown`, and none is held above 0.
    #[default]
    Unknown,
    /// A backend has a weight above 0.
    Up,
    /// None has.
    Down,
}

impl FrontendState {
    /// Every state, in the order in which metrics list them.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Up, Self::Down];

    /// The state as logs, metrics and the API spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for FrontendState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the pools of one frontend come to.
///
/// ```
/// use maglev_health::{Decision, FrontendState, Member, Standing, Weight, decide};
///
/// // Nobody in either pool: the first one is shown as active, and nothing has a weight.
/// let out = Member { standing: Standing::Out, configured: Weight::MAX, overridden: None, agent: None };
/// let nobody = Decision { active_pool: 0, weights: vec![vec![Weight::ZERO]; 2], state: FrontendState::Down };
/// assert_eq!(decide(&[[out], [out]]), nobody);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// Index of the first pool with a member that counts as up and has a weight above 0; else 0.
    pub active_pool: usize,
    /// Effective weights, pool by pool, in the order of the members.
    pub weights: Vec<Vec<Weight>>,
    /// Up if any weight is above 0; else unknown while no backend has left `unknown`, or while VPP has not been read
    /// and one might still be serving; else down.
    pub state: FrontendState,
}

/// Decides active pool, effective weights and state from the members of each pool, by priority.
///
/// ```
/// use maglev_health::{decide, FrontendState, Member, Standing, Weight};
///
/// let member = |standing| Member { standing, configured: Weight::MAX, overridden: None, agent: None };
/// let decision = decide(&[[member(Standing::Out)], [member(Standing::Up)]]);
/// assert_eq!(decision.active_pool, 1);
/// assert_eq!(decision.weights, [[Weight::ZERO], [Weight::MAX]]);
/// assert_eq!(decision.state, FrontendState::Up);
/// ```
#[must_use]
pub fn decide<P: AsRef<[Member]>>(pools: &[P]) -> Decision {
    let serves = |member: &Member| member.standing.counts_as_up() && member.weight().is_positive();
    let active_pool = pools.iter().position(|pool| pool.as_ref().iter().any(serves)).unwrap_or(0);
    let weights: Vec<Vec<Weight>> = pools
        .iter()
        .enumerate()
        .map(|(index, pool)| {
            let effective = |member: &Member| match member.standing {
                Standing::Up if index == active_pool => member.weight(),
                Standing::Held { weight, .. } => weight,
                Standing::Up | Standing::Pending | Standing::Unknown | Standing::Out => Weight::ZERO,
            };
            pool.as_ref().iter().map(effective).collect()
        })
        .collect();
    let members = || pools.iter().flat_map(|pool| pool.as_ref());
    let leaving = |member: &Member| matches!(member.standing, Standing::Held { leaving, .. } if leaving.is_positive());
    let state = if weights.iter().flatten().any(|weight| weight.is_positive()) || members().any(leaving) {
        FrontendState::Up
    } else if members().all(|member| member.standing.is_unknown())
        || members().any(|member| member.standing == Standing::Pending)
    {
        FrontendState::Unknown
    } else {
        FrontendState::Down
    };
    Decision { active_pool, weights, state }
}

#[cfg(test)]
mod tests;
