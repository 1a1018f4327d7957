//! What there is to see.

use std::sync::Arc;

use super::{Control, FrontendIdx};
use crate::{BackendId, BackendView, FrontendView, Program};

impl Control {
    /// What the VIP of a frontend should look like; `None` for an index from before a reload that shortened the list.
    #[must_use]
    pub fn program(&self, frontend: FrontendIdx) -> Option<&Arc<Program>> {
        Some(&self.frontends.get(frontend.0)?.program)
    }

    /// The id of a backend of the running configuration.
    #[must_use]
    pub fn backend_id(&self, name: &str) -> Option<BackendId> {
        self.names.get(name).copied()
    }

    /// A look at one backend.
    #[must_use]
    pub fn backend(&self, id: BackendId) -> Option<BackendView<'_>> {
        let mut view = self.fleet.backend(id)?;
        view.overridden = self.overrides.backends.get(view.name()).copied();
        Some(view)
    }

    /// Every backend, in configuration order.
    pub fn backends(&self) -> impl Iterator<Item = BackendView<'_>> {
        self.order.iter().filter_map(|&id| self.backend(id))
    }

    /// The index of a frontend of the running configuration.
    #[must_use]
    pub fn frontend_idx(&self, name: &str) -> Option<FrontendIdx> {
        self.frontend_names.get(name).copied().map(FrontendIdx)
    }

    /// A look at one frontend.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{Control, ControlOptions, FrontendState};
    ///
    /// # let (now, wall) = web::clocks();
    /// # let spec = web::spec(vec![web::backend("a", "10.0.0.1")?])?;
    /// let control = Control::new(ControlOptions::default(), &spec, now, wall);
    /// let index = control.frontend_idx("web").ok_or("it is configured")?;
    /// let web = control.frontend(index).ok_or("the index is of this configuration")?;
    /// assert_eq!((&**web.name(), web.state()), ("web", FrontendState::Unknown));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn frontend(&self, index: FrontendIdx) -> Option<FrontendView<'_>> {
        let frontend = self.frontends.get(index.0)?;
        Some(FrontendView { index, frontend })
    }

    /// Every frontend, in configuration order.
    pub fn frontends(&self) -> impl Iterator<Item = FrontendView<'_>> {
        self.frontends.iter().enumerate().map(|(index, frontend)| FrontendView { index: FrontendIdx(index), frontend })
    }

    /// The frontends in which a backend is.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{Control, ControlOptions};
    ///
    /// # let (now, wall) = web::clocks();
    /// # let spec = web::spec(vec![web::backend("a", "10.0.0.1")?])?;
    /// let control = Control::new(ControlOptions::default(), &spec, now, wall);
    /// let a = control.backend_id("a").ok_or("it is configured")?;
    /// // Whom it concerns if it fails.
    /// let concerned: Vec<_> = control.users(a).filter_map(|index| control.frontend(index)).collect();
    /// assert_eq!(concerned.len(), 1);
    /// assert_eq!(&**concerned[0].name(), "web");
    /// # Ok(()) }
    /// ```
    pub fn users(&self, id: BackendId) -> impl Iterator<Item = FrontendIdx> {
        let users = self.users.get(&id).into_iter().flatten();
        users.copied().map(FrontendIdx)
    }
}
