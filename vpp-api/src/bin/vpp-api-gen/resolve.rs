//! Which module a type belongs to, when several files define it.

use std::collections::BTreeSet;

use crate::Problem;
use crate::model::Module;

/// The modules, each behind those it imports.
pub(crate) fn in_order(modules: Vec<Module>) -> Result<Vec<Module>, Problem> {
    let mut names = BTreeSet::new();
    if let Some(twice) = modules.iter().find(|module| !names.insert(module.name.clone())) {
        return Err(Problem::new(&twice.path, format!("module {}", twice.name), "another file is this module too"));
    }
    let mut waiting = modules;
    let mut ordered: Vec<Module> = Vec::new();
    while !waiting.is_empty() {
        let is_ready = |module: &Module| {
            let imported_later =
                |name: &String| *name != module.name && waiting.iter().any(|other| other.name == *name);
            !module.imports.iter().any(imported_later)
        };
        let Some(at) = waiting.iter().position(is_ready) else {
            let stuck = &waiting[0];
            return Err(Problem::new(&stuck.path, "imports", "files import each other in a circle"));
        };
        ordered.push(waiting.remove(at));
    }
    Ok(ordered)
}

/// The module whose source has the type `name` of `modules[at]`: that module, or one that it imports and that defines
/// it alike.
pub(crate) fn owner(modules: &[Module], at: usize, name: &str) -> usize {
    let here = &modules[at];
    let imported = reach(modules, at);
    let alike = imported.iter().copied().find(|other| {
        let theirs = modules[*other].types.get(name);
        theirs.zip(here.types.get(name)).is_some_and(|(theirs, ours)| theirs.body == ours.body)
    });
    match alike {
        Some(other) => owner(modules, other, name),
        None => at,
    }
}

/// All modules that one imports, and those they import, in order.
fn reach(modules: &[Module], at: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![at];
    while let Some(next) = waiting.pop() {
        for import in &modules[next].imports {
            // A file may name itself; those behind it in the order it cannot import.
            if let Some(other) = modules[..next].iter().position(|module| module.name == *import)
                && reached.insert(other)
            {
                waiting.push(other);
            }
        }
    }
    reached
}
