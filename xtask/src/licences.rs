//! `cargo xtask licences`: every package of the locked graph is under a permissive licence.
//!
//! In:  `cargo metadata` (normal, build and development dependencies, for all platforms), docs/dependencies.md.
//! Out: findings. It reads what manifests declare; it does not read licence texts.
//!
//! What is linked must be permissive. MPL-2.0 is left out on purpose: its copyleft reaches each changed file, so a patched
//! copy in this repository would have to be published. It can enter the list with a decision record, not by accident.

use crate::outcome::{Finding, TaskError, report};
use crate::spdx;
use crate::workspace;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Licences that ask for no more than a notice.
const PERMISSIVE: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// What the manifests of this workspace say.
const OWN: &str = "LicenseRef-Proprietary";
/// Licences whose copyleft would reach the whole binary, by the beginning of their names.
const COPYLEFT: [&str; 4] = ["GPL", "LGPL", "AGPL", "SSPL"];
/// Where each direct outside dependency has its row.
const DEPENDENCIES: &str = "docs/dependencies.md";
/// Where files that are built into reports lie.
const ASSETS: &str = "crates/monitor/assets";

/// The licence of a package that ships a licence file instead of an expression, as read by a person.
struct Clarified {
    package: &'static str,
    expression: &'static str,
    reason: &'static str,
}

/// None of the packages in use needs one.
const CLARIFIED: &[Clarified] = &[];

/// What the check needs to know of a package.
#[derive(Clone, Debug)]
struct Package {
    name: String,
    version: String,
    /// Whether it is a member of this workspace.
    own: bool,
    /// Whether cargo would refuse to publish it.
    unpublished: bool,
    licence: Option<String>,
    licence_file: Option<String>,
}

fn check(packages: &[Package], clarified: &[Clarified]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let place = format!("{} {}", package.name, package.version);
        if package.own {
            if package.licence.as_deref() != Some(OWN) || !package.unpublished {
                let expected = format!("license = \"{OWN}\" and publish = false, both from the workspace");
                findings.push(Finding::new(place, "licence or publication of a crate of this workspace", expected));
            }
            continue;
        }
        let stated = clarified.iter().find(|c| c.package == package.name && !c.reason.is_empty()).map(|c| c.expression);
        let Some(expression) = package.licence.as_deref().or(stated) else {
            let what = match &package.licence_file {
                Some(file) => format!("no licence expression, only the file {file}"),
                None => "no licence".to_owned(),
            };
            findings.push(Finding::new(place, what, "an SPDX expression, or a clarification with its reason"));
            continue;
        };
        if let Err(what) = permissive(expression) {
            findings.push(Finding::new(place, what, format!("a choice among {}", PERMISSIVE.join(", "))));
        }
    }
    findings
}

fn permissive(expression: &str) -> Result<(), String> {
    let tree = spdx::parse(expression).map_err(|error| format!("licence `{expression}` cannot be read: {error}"))?;
    if tree.satisfied_by(&|name| PERMISSIVE.contains(&name)) {
        return Ok(());
    }
    let copyleft = tree.licences().into_iter().find(|name| COPYLEFT.iter().any(|start| name.starts_with(start)));
    Err(match copyleft {
        Some(name) => format!("copyleft licence {name} (in `{expression}`)"),
        None => format!("licence `{expression}` is not on the list"),
    })
}

/// Direct outside dependencies that have no row in docs/dependencies.md, and rows without a dependency.
fn check_rows(document: &str, direct: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let rows: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once("` |"))
        .map(|(name, _)| name)
        .collect();
    for name in direct.iter().filter(|name| !rows.contains(name.as_str())) {
        findings.push(Finding::new(
            DEPENDENCIES,
            format!("no row for `{name}`"),
            "what for, why not own code, licence",
        ));
    }
    for name in rows.iter().filter(|name| !direct.contains(**name)) {
        findings.push(Finding::new(DEPENDENCIES, format!("a row for `{name}`, which no crate uses"), "no such row"));
    }
    findings
}

/// Files of other people that are built into the program: each is named in docs/dependencies.md, and the text of its licence, a permissive
/// one, lies beside it under the name of the library.
fn check_assets(document: &str, assets: &[(String, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own = |name: &str| !name.contains(".min.");
    for (name, _) in assets.iter().filter(|(name, _)| !own(name)) {
        let place = format!("{ASSETS}/{name}");
        if !document.contains(&format!("`{name}`")) {
            let what = format!("no row in {DEPENDENCIES}");
            findings.push(Finding::new(place.clone(), what, "what for, why not own code, licence"));
        }
        let licence = format!("{}.LICENSE", name.split('.').next().unwrap_or_default());
        if !assets.iter().any(|(other, text)| *other == licence && text.contains("MIT License")) {
            findings.push(Finding::new(place, "no text of a permissive licence", format!("{licence} beside it")));
        }
    }
    findings
}

/// The names and texts of the files beside the reports' own.
fn assets(root: &Path) -> Result<Vec<(String, String)>, TaskError> {
    let unreadable = |error: std::io::Error| TaskError::Environment(format!("{ASSETS}: {error}"));
    let mut assets = Vec::new();
    for entry in std::fs::read_dir(root.join(ASSETS)).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        assets.push((name, std::fs::read_to_string(entry.path()).map_err(unreadable)?));
    }
    Ok(assets)
}

/// The command.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    if !arguments.is_empty() {
        return Err(TaskError::Usage("licences takes no arguments".into()));
    }
    let metadata = workspace::graph(root)?;
    let packages = packages(&metadata)?;
    let mut findings = check(&packages, CLARIFIED);
    findings.extend(check_rows(&workspace::read(root, DEPENDENCIES)?, &direct(&metadata)));
    findings.extend(check_assets(&workspace::read(root, DEPENDENCIES)?, &assets(root)?));
    report("licences", findings)?;
    eprintln!("licences: {} packages are permissive or our own", packages.len());
    Ok(())
}

fn packages(metadata: &Value) -> Result<Vec<Package>, TaskError> {
    let malformed = |what: &str| TaskError::Environment(format!("cargo metadata: no `{what}` in the answer"));
    let mut packages = Vec::new();
    for package in metadata["packages"].as_array().ok_or_else(|| malformed("packages"))? {
        let text = |key: &str| package[key].as_str().map(str::to_owned);
        packages.push(Package {
            name: text("name").ok_or_else(|| malformed("name"))?,
            version: text("version").ok_or_else(|| malformed("version"))?,
            own: package["source"].is_null(),
            unpublished: package["publish"].as_array().is_some_and(Vec::is_empty),
            licence: text("license"),
            licence_file: text("license_file"),
        });
    }
    Ok(packages)
}

/// Names of the outside packages that manifests of this workspace name.
fn direct(metadata: &Value) -> BTreeSet<String> {
    let own = metadata["packages"].as_array().into_iter().flatten().filter(|package| package["source"].is_null());
    own.flat_map(|package| package["dependencies"].as_array().into_iter().flatten())
        .filter(|dependency| !dependency["path"].is_string())
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(licence: Option<&str>, file: Option<&str>) -> Package {
        Package {
            name: "thing".into(),
            version: "1.0.0".into(),
            own: false,
            unpublished: false,
            licence: licence.map(str::to_owned),
            licence_file: file.map(str::to_owned),
        }
    }

    fn what(package: Package) -> String {
        check(&[package], &[]).first().map(|finding| finding.what.clone()).unwrap_or_default()
    }

    #[test]
    fn permissive_licences_pass() {
        for text in ["MIT", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "LGPL-2.1-or-later OR MIT"] {
            assert_eq!(what(outside(Some(text), None)), "", "{text}");
        }
    }

    #[test]
    fn copyleft_is_refused_by_name() {
        for text in
            ["GPL-3.0-only", "LGPL-2.1-or-later", "MIT AND AGPL-3.0-only", "GPL-2.0 WITH Classpath-exception-2.0"]
        {
            assert!(what(outside(Some(text), None)).contains("copyleft licence"), "{text}");
        }
        assert!(what(outside(Some("MPL-2.0"), None)).contains("not on the list"));
    }

    #[test]
    fn a_licence_file_needs_a_clarification_with_a_reason() {
        let package = outside(None, Some("LICENSE"));
        assert!(what(package.clone()).contains("only the file LICENSE"));
        assert!(what(outside(None, None)).contains("no licence"));
        let with = |reason| [Clarified { package: "thing", expression: "MIT", reason }];
        assert_eq!(check(std::slice::from_ref(&package), &with("the file is the MIT text")), vec![]);
        assert_eq!(check(&[package], &with("")).len(), 1);
    }

    #[test]
    fn own_crates_are_proprietary_and_unpublished() {
        let own = Package { own: true, unpublished: true, ..outside(Some(OWN), None) };
        assert_eq!(check(std::slice::from_ref(&own), &[]), vec![]);
        assert_eq!(check(&[Package { unpublished: false, ..own.clone() }], &[]).len(), 1);
        assert_eq!(check(&[Package { licence: Some("MIT".into()), ..own }], &[]).len(), 1);
    }

    #[test]
    fn an_asset_needs_its_row_and_its_licence() {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let own = file("report.js", "");
        let library = file("lib.min.js", "");
        let licence = file("lib.LICENSE", "The MIT License (MIT)");
        assert_eq!(check_assets("", std::slice::from_ref(&own)), vec![]);
        assert_eq!(check_assets("`lib.min.js`", &[own.clone(), library.clone(), licence]), vec![]);
        assert_eq!(check_assets("", &[own, library, file("lib.LICENSE", "GPL")]).len(), 2);
    }

    #[test]
    fn an_expression_that_cannot_be_read_is_a_finding() {
        assert!(what(outside(Some("MIT OR"), None)).contains("cannot be read"));
    }

    #[test]
    fn every_direct_dependency_has_a_row_and_every_row_a_dependency() {
        let direct: BTreeSet<String> = ["libm".to_owned(), "csv".to_owned()].into();
        let document = "| crate | what for |\n|---|---|\n| `libm` | logarithms |\n| `old` | nothing |\n";
        let findings = check_rows(document, &direct);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].what.contains("`csv`") && findings[1].what.contains("`old`"), "{findings:?}");
    }
}
