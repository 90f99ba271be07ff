//! How the modules of this crate depend on each other, and what they call things, as their sources say it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each imports only from those before it.
const LAYERS: [&str; 11] = [
    "real",
    "spec",
    "engine",
    "validate",
    "targets",
    "loss",
    "losses",
    "remote",
    "custom",
    "metric",
    "normalizer",
];

/// The modules in files of their own, without those of tests: `engine::host` with its code.
struct Sources(BTreeMap<String, String>);

impl Sources {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        collect(&root, &mut files);
        let module = |file: &PathBuf| {
            let path = file.strip_prefix(&root).expect("below the root");
            let path = path.with_extension("").to_string_lossy().replace('/', "::");
            path.strip_suffix("::mod").unwrap_or(&path).to_string()
        };
        let code = |file: &PathBuf| code(&std::fs::read_to_string(file).expect("it is there"));
        let sources = files.iter().map(|file| (module(file), code(file)));
        let of_tests = |module: &str| module.split("::").any(|part| part == "tests");
        Self(sources.filter(|(name, _)| !of_tests(name)).collect())
    }

    /// The module that a path leads to.
    fn module(&self, path: &str) -> Option<String> {
        let parts: Vec<_> = path.split("::").collect();
        let prefixes = (1..=parts.len())
            .rev()
            .map(|count| parts[..count].join("::"));
        prefixes
            .into_iter()
            .find(|prefix| self.0.contains_key(prefix))
    }

    /// The modules that a module names: in imports, and in paths from the root or from its parent.
    fn uses(&self, module: &str) -> BTreeSet<String> {
        let mut uses = BTreeSet::new();
        let code = &self.0[module];
        let of_child = |path: &String| self.0.contains_key(&format!("{module}::{}", first(path)));
        for path in paths(code)
            .into_iter()
            .chain(imports(code).filter(of_child))
        {
            let mut base = module.to_string();
            let mut rest = path.as_str();
            if let Some(path) = rest.strip_prefix("crate::") {
                (base, rest) = (String::new(), path);
            }
            while let Some(path) = rest.strip_prefix("super::") {
                let parent = base.rsplit_once("::").map_or("", |(parent, _)| parent);
                (base, rest) = (parent.to_string(), path);
            }
            let full = match base.as_str() {
                "" => rest.to_string(),
                base => format!("{base}::{}", rest.trim_start_matches("self::")),
            };
            uses.extend(self.module(&full).filter(|used| used != module));
        }
        uses
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// A source without comments and without its tests.
fn code(source: &str) -> String {
    let source = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .expect("one");
    let lines = source.lines().map(|line| match line.find("//") {
        Some(at) => &line[..at],
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths that begin at the root, at a parent or at a child, with those in braces one by one.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c)) {
                expand(&code[at..], "", &mut found);
            }
        }
    }
    found
}

/// The paths of private imports, as far as a brace: what is given on by `pub use` is not used.
fn imports(code: &str) -> impl Iterator<Item = String> {
    let imports = code.lines().filter_map(|line| line.strip_prefix("use "));
    imports.map(|import| import.trim_end_matches(';').to_string())
}

fn first(path: &str) -> &str {
    path.split("::").next().expect("there is one")
}

/// Adds the paths of a tree such as `a::{b, c::d}`; gives what is behind it.
fn expand<'a>(tree: &'a str, prefix: &str, found: &mut Vec<String>) -> &'a str {
    let of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let end = tree.find(|c| !of_path(c)).unwrap_or(tree.len());
    let (path, mut rest) = tree.split_at(end);
    let path = format!("{prefix}{path}");
    if !path.ends_with("::") || !rest.starts_with('{') {
        found.push(path.trim_end_matches("::").to_string());
        return rest;
    }
    rest = rest[1..].trim_start();
    while !rest.is_empty() && !rest.starts_with('}') {
        rest = expand(rest, &path, found);
        rest = rest.trim_start_matches(|c: char| c == ',' || c == '*' || c.is_whitespace());
    }
    rest.strip_prefix('}').unwrap_or(rest)
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == first(module))
}

#[test]
fn each_layer_imports_only_from_those_before_it() {
    let sources = Sources::read();
    let mut seen = BTreeSet::new();
    for module in sources.0.keys() {
        let Some(own) = layer(module) else { continue };
        for used in sources.uses(module) {
            let of_used = layer(&used).unwrap_or_else(|| panic!("{module} names {used}"));
            assert!(
                of_used <= own,
                "{module} imports from {used}, a layer above it"
            );
            seen.insert((own, of_used));
        }
    }
    // That nothing was found means nothing where nothing is seen.
    assert!(seen.len() > 12, "{seen:?}");
}

#[test]
fn what_is_internal_to_burn_is_touched_in_one_folder() {
    let sources = Sources::read();
    let internal = [
        "burn::backend",
        "burn_std::",
        "burn_flex::",
        "burn_ndarray::",
        "cubecl",
    ];
    let mut found = 0;
    for (module, code) in &sources.0 {
        for name in internal.iter().filter(|name| code.contains(**name)) {
            assert!(module.starts_with("engine"), "{module} names {name}");
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}

#[test]
fn no_module_imports_from_itself_through_others() {
    let sources = Sources::read();
    let graph: BTreeMap<_, _> = sources.0.keys().map(|it| (it, sources.uses(it))).collect();
    // What imports from nothing that is left goes, until nothing does.
    let mut left: BTreeSet<_> = sources.0.keys().filter(|it| layer(it).is_some()).collect();
    loop {
        let stays = |module: &&String| graph[*module].iter().any(|used| left.contains(used));
        let staying: BTreeSet<_> = left.iter().copied().filter(stays).collect();
        if staying.len() == left.len() {
            break;
        }
        left = staying;
    }
    assert!(
        left.is_empty(),
        "in a cycle, or importing from one: {left:?}"
    );
}

#[test]
fn a_name_stands_for_one_type() {
    let sources = Sources::read();
    let mut types: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, code) in &sources.0 {
        for line in code.lines().map(str::trim_start) {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let line = match line.strip_prefix("pub(") {
                Some(scoped) => scoped.split_once(") ").expect("a scope").1,
                None => line,
            };
            let kinds = ["struct ", "enum ", "trait "];
            let Some(named) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else {
                continue;
            };
            let end = named
                .find(|c: char| !c.is_alphanumeric())
                .unwrap_or(named.len());
            types.entry(&named[..end]).or_default().insert(module);
        }
    }
    assert!(types.len() > 100, "{}", types.len());
    types.retain(|name, modules| modules.len() > 1 && !name.is_empty());
    assert!(types.is_empty(), "{types:#?}");
}
