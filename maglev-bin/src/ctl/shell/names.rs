//! Names for completion: of the server's things when TAB is pressed, and of files.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::ctl::grammar::{Ask, Names};
use crate::ctl::session::Session;
use crate::proto::{FrontendInfo, ListBackendsRequest, ListFrontendsRequest, ListHealthChecksRequest};

/// What the server knows now, or knew a moment ago.
pub(super) struct Live {
    runtime: Rc<Runtime>,
    session: Rc<RefCell<Session>>,
    frontends: Cache<FrontendInfo>,
    backends: Cache<String>,
    healthchecks: Cache<String>,
}

/// A list and when it was fetched; that there is none is remembered, too, so that TAB does not wait twice in vain.
type Cache<T> = RefCell<Option<(Instant, Rc<[T]>)>>;

impl Live {
    pub(super) fn new(runtime: Rc<Runtime>, session: Rc<RefCell<Session>>) -> Self {
        Self {
            runtime,
            session,
            frontends: Cache::default(),
            backends: Cache::default(),
            healthchecks: Cache::default(),
        }
    }

    fn frontends(&self) -> Rc<[FrontendInfo]> {
        fresh(&self.frontends, || {
            let mut session = self.session.borrow_mut();
            let call = session.call(PATIENCE, async |client| client.list_frontends(ListFrontendsRequest {}).await);
            Some(self.runtime.block_on(call).ok()?.frontends)
        })
    }

    fn backends(&self) -> Rc<[String]> {
        fresh(&self.backends, || {
            let mut session = self.session.borrow_mut();
            let call = session.call(PATIENCE, async |client| client.list_backends(ListBackendsRequest {}).await);
            let list = self.runtime.block_on(call).ok()?;
            Some(list.backends.into_iter().map(|backend| backend.name).collect())
        })
    }

    fn healthchecks(&self) -> Rc<[String]> {
        fresh(&self.healthchecks, || {
            let mut session = self.session.borrow_mut();
            let call =
                session.call(PATIENCE, async |client| client.list_health_checks(ListHealthChecksRequest {}).await);
            let list = self.runtime.block_on(call).ok()?;
            Some(list.healthchecks.into_iter().map(|check| check.name).collect())
        })
    }
}

impl Names for Live {
    fn names(&self, ask: &Ask) -> Vec<String> {
        match ask {
            Ask::Frontends => self.frontends().iter().map(|frontend| frontend.name.clone()).collect(),
            Ask::Backends => self.backends().to_vec(),
            Ask::HealthChecks => self.healthchecks().to_vec(),
            Ask::Pools { frontend } => {
                let all = self.frontends();
                let pools = all.iter().filter(|of| of.name == *frontend).flat_map(|of| &of.pools);
                pools.map(|pool| pool.name.clone()).collect()
            }
            Ask::Members { frontend, pool } => {
                let all = self.frontends();
                let pools = all.iter().filter(|of| of.name == *frontend).flat_map(|of| &of.pools);
                pools.filter(|of| of.name == *pool).flat_map(|of| &of.backends).map(|of| of.name.clone()).collect()
            }
            Ask::Files { prefix } => files(prefix),
        }
    }
}

/// What is in the cache, if it is not too old, else what `fetch` gets.
fn fresh<T>(cache: &Cache<T>, fetch: impl FnOnce() -> Option<Vec<T>>) -> Rc<[T]> {
    let mut cache = cache.borrow_mut();
    match &*cache {
        Some((when, list)) if when.elapsed() < FRESH => list.clone(),
        _ => {
            let list: Rc<[T]> = fetch().unwrap_or_default().into();
            *cache = Some((Instant::now(), list.clone()));
            list
        }
    }
}

/// Paths that begin with `prefix`, sorted; hidden ones only if they are asked for.
fn files(prefix: &str) -> Vec<String> {
    let (folder, beginning) = match prefix.rfind('/') {
        Some(slash) => prefix.split_at(slash + 1),
        None => ("", prefix),
    };
    let Ok(entries) = fs::read_dir(if folder.is_empty() { ".".to_owned() } else { super::expanded(folder) }) else {
        return Vec::new();
    };
    let mut files: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let wanted = name.starts_with(beginning) && (beginning.starts_with('.') || !name.starts_with('.'));
            // Through links, so that those to folders go on.
            let slash = if fs::metadata(entry.path()).is_ok_and(|of| of.is_dir()) { "/" } else { "" };
            wanted.then(|| format!("{folder}{name}{slash}"))
        })
        .collect();
    files.sort();
    files
}

/// A TAB must not feel stuck.
const PATIENCE: Duration = Duration::from_millis(500);

/// Nobody notices that a name is so old.
const FRESH: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_completed_through_folders() {
        let folder = std::env::temp_dir().join(format!("maglevc-files-{}", std::process::id()));
        fs::create_dir_all(folder.join("etc")).unwrap();
        for name in ["maglev.yaml", "maglev.bak", ".hidden", "etc/more.yaml"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let at = |name: &str| format!("{}/{name}", folder.display());
        assert_eq!(files(&at("")), [at("etc/"), at("maglev.bak"), at("maglev.yaml")]);
        assert_eq!(files(&at("maglev.y")), [at("maglev.yaml")]);
        assert_eq!(files(&at(".h")), [at(".hidden")]);
        assert_eq!(files(&at("etc/m")), [at("etc/more.yaml")]);
        assert_eq!(files(&at("nowhere/")), Vec::<String>::new());
        fs::remove_dir_all(folder).unwrap();
    }
}
