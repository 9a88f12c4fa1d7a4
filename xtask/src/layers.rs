//! `cargo xtask layers`: the layer table of ARCHITECTURE.md held against every manifest.
//!
//! In:  the document's text, the manifests of all members, the text of the core's clippy.toml.
//! Out: findings. [`check`] is a function of these alone; only [`run`] reads files.
//!
//! Arrows are checked by kind. Normal and build dependencies must stand in the table. Development dependencies may add
//! `testkit` and any crate of a lower layer: a test may drive a crate through what lies below it, and may not reach up or
//! sideways, for then the test belongs to the upper crate. Outside crates are free in tests; in the core's own code they
//! must stand in the table of outside crates.

use crate::layer_table::{self, Layer, Row, Tables};
use crate::outcome::{Finding, TaskError, report};
use crate::workspace;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where the original of the core's clippy.toml lies.
pub const CORE_CLIPPY: &str = "xtask/core-clippy.toml";
/// Numbered crates that are not part of the deterministic core: rings and buses need threads and clocks.
const OUTSIDE_CORE: [&str; 1] = ["infra"];
/// The only development crate that tests of other crates may use.
const TEST_CRATE: &str = "testkit";

/// How a manifest uses a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[dependencies]`
    Normal,
    /// `[build-dependencies]`
    Build,
    /// `[dev-dependencies]`
    Development,
}

/// One line of a manifest's dependency tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Package name, not the name it is renamed to.
    pub name: String,
    /// Which table it stands in.
    pub kind: Kind,
    /// Whether it is a path dependency, that is, one of ours.
    pub inside: bool,
}

/// What the check needs to know of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Package name.
    pub name: String,
    /// Manifest path relative to the workspace root.
    pub path: String,
    /// All dependency tables.
    pub dependencies: Vec<Dependency>,
    /// Whether the manifest says `[lints] workspace = true`.
    pub inherits_lints: bool,
    /// Text of the clippy.toml beside the manifest, if there is one.
    pub clippy: Option<String>,
}

/// Compares the document with the manifests; an empty answer means that they agree.
pub fn check(document: &str, manifests: &[Manifest], core_clippy: &str) -> Vec<Finding> {
    let (tables, mut findings) = layer_table::parse(document);
    let rows: BTreeMap<&str, &Row> = tables.rows.iter().map(|row| (row.name.as_str(), row)).collect();
    check_table(&tables, &rows, &mut findings);
    for row in &tables.rows {
        if !manifests.iter().any(|m| m.name == row.name) {
            let what = format!("crate `{}` has no manifest", row.name);
            findings.push(Finding::new(layer_table::place(row.line), what, "a member of the workspace, or no row"));
        }
    }
    for manifest in manifests {
        let Some(row) = rows.get(manifest.name.as_str()) else {
            let what = format!("crate `{}` is not in the layer table of {}", manifest.name, layer_table::DOCUMENT);
            findings.push(Finding::new(&manifest.path, what, "a row with its layer, purpose, arrows and contents"));
            continue;
        };
        check_manifest(manifest, row, &tables, &rows, core_clippy, &mut findings);
    }
    findings
}

/// The table in itself: known names, no arrow upwards or sideways, no cycle.
fn check_table(tables: &Tables, rows: &BTreeMap<&str, &Row>, findings: &mut Vec<Finding>) {
    if rows.len() != tables.rows.len() {
        findings.push(Finding::new(layer_table::DOCUMENT, "a crate stands in the table twice", "one row per crate"));
    }
    for row in &tables.rows {
        for arrow in row.arrows.iter().filter(|a| *a != "all") {
            let place = layer_table::place(row.line);
            match rows.get(arrow.as_str()) {
                None => findings.push(Finding::new(
                    place,
                    format!("`{}` may depend on `{arrow}`, which has no row", row.name),
                    "a crate of the table",
                )),
                Some(target) if !points_down(row, target) => findings.push(Finding::new(
                    place,
                    format!("arrow from `{}` up or sideways to `{arrow}`", row.name),
                    "arrows to lower layers only (edge crates may name another edge crate)",
                )),
                Some(_) => {}
            }
        }
    }
    let stuck = in_cycle(rows);
    if !stuck.is_empty() {
        let what = format!("the arrows have a cycle through `{}`", stuck.join("`, `"));
        findings.push(Finding::new(layer_table::DOCUMENT, what, "arrows without a cycle"));
    }
}

/// Whether an arrow that the table lists is a legal one. Edge crates may name a sibling, and so may development crates.
fn points_down(from: &Row, to: &Row) -> bool {
    to.layer < from.layer || (to.layer == from.layer && matches!(from.layer, Layer::Edge | Layer::Development))
}

/// Crates left over when those that depend on none of the rest, or on which none of the rest depends, are removed
/// until none is left to remove: the cycles and what lies between them. `all` means lower layers, so it closes no cycle.
fn in_cycle<'a>(rows: &BTreeMap<&'a str, &Row>) -> Vec<&'a str> {
    let depends = |from: &str, to: &str| rows.get(from).is_some_and(|row| row.arrows.iter().any(|a| a == to));
    let mut left: BTreeSet<&str> = rows.keys().copied().collect();
    loop {
        let on_both_sides =
            |name: &&str| left.iter().any(|o| depends(name, o)) && left.iter().any(|o| depends(o, name));
        let kept: BTreeSet<&str> = left.iter().copied().filter(on_both_sides).collect();
        if kept.len() == left.len() {
            return left.into_iter().collect();
        }
        left = kept;
    }
}

fn check_manifest(
    manifest: &Manifest,
    row: &Row,
    tables: &Tables,
    rows: &BTreeMap<&str, &Row>,
    core_clippy: &str,
    findings: &mut Vec<Finding>,
) {
    let mut find = |what: String, expected: String| findings.push(Finding::new(&manifest.path, what, expected));
    let home = format!("crates/{}/Cargo.toml", row.name);
    if row.layer != Layer::Development && manifest.path != home {
        find(format!("crate `{}` does not lie where crates lie", row.name), home);
    }
    if !manifest.inherits_lints {
        find("the lints of the workspace are not inherited".into(), "[lints] workspace = true".into());
    }
    let core = is_core(row);
    for dependency in &manifest.dependencies {
        let name = dependency.name.as_str();
        if dependency.inside {
            if let Err(expected) = arrow_allowed(row, dependency, rows) {
                find(format!("`{}` depends on `{name}` ({})", row.name, kind_name(dependency.kind)), expected);
            }
        } else if core && dependency.kind != Kind::Development && !tables.outside.iter().any(|o| o.name == name) {
            find(
                format!("core crate `{}` depends on the outside crate `{name}`", row.name),
                format!("one of the outside crates of the core in {}, or own code", layer_table::DOCUMENT),
            );
        }
    }
    if core && manifest.clippy.as_deref() != Some(core_clippy) {
        let what = if manifest.clippy.is_some() { "is not the common text" } else { "is missing" };
        find(
            format!("clippy.toml of core crate `{}` {what}", row.name),
            format!("a copy of {CORE_CLIPPY}: run `cargo xtask layers --write`"),
        );
    }
}

/// Whether the table allows this dependency of ours; otherwise what it would take.
fn arrow_allowed(row: &Row, dependency: &Dependency, rows: &BTreeMap<&str, &Row>) -> Result<(), String> {
    let name = dependency.name.as_str();
    let Some(target) = rows.get(name) else {
        return Err(format!("a row for `{name}` in {}", layer_table::DOCUMENT));
    };
    let below = target.layer < row.layer;
    if dependency.kind == Kind::Development && (name == TEST_CRATE || below) {
        return Ok(());
    }
    if row.arrows.iter().any(|a| a == name || (a == "all" && below)) {
        return Ok(());
    }
    Err(match dependency.kind {
        Kind::Development => format!("`{TEST_CRATE}` or a crate of a lower layer"),
        Kind::Normal | Kind::Build => format!("an arrow that {} lists for `{}`", layer_table::DOCUMENT, row.name),
    })
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Normal => "normal dependency",
        Kind::Build => "build dependency",
        Kind::Development => "development dependency",
    }
}

/// Layers 0 to 4 without the crates that hold rings and buses.
fn is_core(row: &Row) -> bool {
    matches!(row.layer, Layer::Numbered(_)) && !OUTSIDE_CORE.contains(&row.name.as_str())
}

/// The command. With `--write`, first renews the copies of the core's clippy.toml.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let write = match arguments {
        [] => false,
        [option] if option == "--write" => true,
        _ => return Err(TaskError::Usage("layers takes no argument but --write".into())),
    };
    let document = workspace::read(root, layer_table::DOCUMENT)?;
    let core_clippy = workspace::read(root, CORE_CLIPPY)?;
    if write {
        write_copies(root, &document, &core_clippy)?;
    }
    let manifests = manifests(root, &workspace::members(root)?)?;
    report("layers", check(&document, &manifests, &core_clippy))?;
    eprintln!("layers: {} crates agree with {}", manifests.len(), layer_table::DOCUMENT);
    Ok(())
}

/// A folder gets its copy only when it has a manifest: cargo refuses a member folder without one.
fn write_copies(root: &Path, document: &str, core_clippy: &str) -> Result<(), TaskError> {
    for row in layer_table::parse(document).0.rows.iter().filter(|row| is_core(row)) {
        let folder = root.join("crates").join(&row.name);
        if folder.join("Cargo.toml").is_file() {
            std::fs::write(folder.join("clippy.toml"), core_clippy)
                .map_err(|error| TaskError::Environment(format!("crates/{}/clippy.toml: {error}", row.name)))?;
        }
    }
    Ok(())
}

/// What the check needs, out of `cargo metadata --no-deps`.
fn manifests(root: &Path, metadata: &Value) -> Result<Vec<Manifest>, TaskError> {
    let malformed = |what: &str| TaskError::Environment(format!("cargo metadata: no `{what}` in the answer"));
    let packages = metadata["packages"].as_array().ok_or_else(|| malformed("packages"))?;
    let mut manifests = Vec::with_capacity(packages.len());
    for package in packages {
        let name = package["name"].as_str().ok_or_else(|| malformed("name"))?;
        let full = Path::new(package["manifest_path"].as_str().ok_or_else(|| malformed("manifest_path"))?);
        let text = std::fs::read_to_string(full)
            .map_err(|error| TaskError::Environment(format!("{}: {error}", full.display())))?;
        let mut dependencies = Vec::new();
        for dependency in package["dependencies"].as_array().ok_or_else(|| malformed("dependencies"))? {
            dependencies.push(Dependency {
                name: dependency["name"].as_str().ok_or_else(|| malformed("dependency name"))?.to_owned(),
                kind: match dependency["kind"].as_str() {
                    Some("dev") => Kind::Development,
                    Some("build") => Kind::Build,
                    _ => Kind::Normal,
                },
                inside: dependency["path"].is_string(),
            });
        }
        manifests.push(Manifest {
            name: name.to_owned(),
            path: full.strip_prefix(root).unwrap_or(full).display().to_string(),
            dependencies,
            inherits_lints: inherits_lints(&text),
            clippy: full.parent().and_then(|folder| std::fs::read_to_string(folder.join("clippy.toml")).ok()),
        });
    }
    Ok(manifests)
}

/// Whether the `[lints]` table of a manifest says `workspace = true`; `cargo metadata` does not tell.
fn inherits_lints(manifest: &str) -> bool {
    manifest
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().replace(' ', ""))
        .skip_while(|line| line != "[lints]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .any(|line| line == "workspace=true")
        || manifest.lines().any(|line| line.replace(' ', "") == "lints.workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIPPY: &str = "disallowed-types = []\n";

    fn document(arrows_of_sim: &str) -> String {
        format!(
            "| layer | crate | purpose | may depend on | holds |\n|---|---|---|---|---|\n\
             | 0 | `domain` | words | – | x |\n\
             | 0 | `infra` | rings | – | x |\n\
             | 2 | `risk` | gate | domain | x |\n\
             | 3 | `sim` | venue | {arrows_of_sim} | x |\n\
             | 3 | `execution` | orders | domain risk | x |\n\
             | edge | `store` | files | domain infra risk | x |\n\
             | top | `bot4` | binary | all | x |\n\
             | dev | `testkit` | builders | domain | x |\n\n\
             | outside crate | what the core uses it for |\n|---|---|\n| `libm` | logarithms |\n"
        )
    }

    fn member(name: &str, dependencies: &[(&str, Kind)]) -> Manifest {
        let core = matches!(name, "domain" | "risk" | "sim" | "execution");
        let ours = ["domain", "infra", "risk", "sim", "execution", "store", "bot4", "testkit", "stray"];
        Manifest {
            name: name.into(),
            path: if name == "testkit" { "testkit/Cargo.toml".into() } else { format!("crates/{name}/Cargo.toml") },
            dependencies: dependencies
                .iter()
                .map(|(d, kind)| Dependency { name: (*d).into(), kind: *kind, inside: ours.contains(d) })
                .collect(),
            inherits_lints: true,
            clippy: core.then(|| CLIPPY.into()),
        }
    }

    fn members() -> Vec<Manifest> {
        use Kind::{Development, Normal};
        vec![
            member("domain", &[("libm", Normal), ("proptest", Development), ("testkit", Development)]),
            member("infra", &[("crossbeam", Normal)]),
            member("risk", &[("domain", Normal), ("testkit", Development)]),
            member("sim", &[("domain", Normal), ("risk", Normal)]),
            member("execution", &[("domain", Normal), ("risk", Normal)]),
            member("store", &[("domain", Normal), ("parquet", Normal), ("sim", Development)]),
            member("bot4", &[("sim", Normal), ("store", Normal), ("clap", Normal)]),
            member("testkit", &[("domain", Normal)]),
        ]
    }

    fn only(findings: Vec<Finding>, part: &str) {
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].what.contains(part), "{findings:?}");
    }

    /// Replaces one member and runs the check.
    fn with(changed: Manifest) -> Vec<Finding> {
        let mut members = members();
        members.retain(|m| m.name != changed.name);
        members.push(changed);
        check(&document("domain risk"), &members, CLIPPY)
    }

    #[test]
    fn agreement_has_no_finding() {
        assert_eq!(check(&document("domain risk"), &members(), CLIPPY), vec![]);
    }

    #[test]
    fn an_upward_arrow_in_a_manifest_fails() {
        only(with(member("risk", &[("domain", Kind::Normal), ("sim", Kind::Normal)])), "`risk` depends on `sim`");
    }

    #[test]
    fn a_downward_arrow_that_the_table_does_not_list_fails() {
        only(with(member("store", &[("sim", Kind::Normal)])), "`store` depends on `sim`");
        only(with(member("store", &[("sim", Kind::Build)])), "build dependency");
    }

    #[test]
    fn an_upward_or_sideways_arrow_in_the_table_fails() {
        let up = document("domain risk store");
        only(check(&up, &members(), CLIPPY), "from `sim` up or sideways to `store`");
        let sideways = document("domain risk execution");
        only(check(&sideways, &members(), CLIPPY), "from `sim` up or sideways to `execution`");
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_fail() {
        let mut more = members();
        more.push(member("stray", &[]));
        only(check(&document("domain risk"), &more, CLIPPY), "`stray` is not in the layer table");
        let fewer: Vec<Manifest> = members().into_iter().filter(|m| m.name != "store" && m.name != "bot4").collect();
        let findings = check(&document("domain risk"), &fewer, CLIPPY);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings.iter().all(|f| f.what.contains("has no manifest")), "{findings:?}");
    }

    #[test]
    fn an_arrow_to_a_crate_that_has_no_row_fails() {
        only(check(&document("domain risk nowhere"), &members(), CLIPPY), "`nowhere`, which has no row");
        only(with(member("sim", &[("stray", Kind::Normal)])), "`sim` depends on `stray`");
    }

    #[test]
    fn a_cycle_between_edge_crates_fails() {
        let text = document("domain risk").replace(
            "| edge | `store` | files | domain infra risk | x |\n",
            "| edge | `store` | files | domain infra risk gateway | x |\n| edge | `gateway` | venues | store | x |\n",
        );
        let mut members = members();
        members.push(member("gateway", &[]));
        only(check(&text, &members, CLIPPY), "cycle through `gateway`, `store`");
    }

    #[test]
    fn development_dependencies_reach_testkit_and_downwards_only() {
        assert_eq!(with(member("sim", &[("testkit", Kind::Development), ("domain", Kind::Development)])), vec![]);
        only(with(member("risk", &[("sim", Kind::Development)])), "development dependency");
        only(with(member("sim", &[("execution", Kind::Development)])), "development dependency");
        only(with(member("sim", &[("testkit", Kind::Normal)])), "`sim` depends on `testkit`");
    }

    #[test]
    fn the_core_uses_listed_outside_crates_only() {
        only(with(member("risk", &[("rand", Kind::Normal)])), "outside crate `rand`");
        assert_eq!(with(member("infra", &[("rand", Kind::Normal)])), vec![]);
    }

    #[test]
    fn core_crates_have_the_common_clippy_text() {
        only(with(Manifest { clippy: None, ..member("sim", &[]) }), "is missing");
        only(with(Manifest { clippy: Some("other".into()), ..member("sim", &[]) }), "not the common text");
        assert_eq!(with(Manifest { clippy: None, ..member("infra", &[]) }), vec![]);
    }

    #[test]
    fn place_and_lints_of_a_manifest_are_checked() {
        only(with(Manifest { path: "other/sim/Cargo.toml".into(), ..member("sim", &[]) }), "does not lie");
        only(with(Manifest { inherits_lints: false, ..member("sim", &[]) }), "lints");
        assert!(inherits_lints("[package]\nname = \"a\"\n[lints]\nworkspace = true # all\n[dependencies]\n"));
        assert!(!inherits_lints("[package]\n[lints.rust]\nworkspace = true\n"));
        assert!(!inherits_lints("[lints]\n[dependencies]\nworkspace = true\n"));
    }
}
