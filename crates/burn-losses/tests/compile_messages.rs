//! What the compiler says about a target of the wrong type.
//!
//! Each file in `compile_messages/` is a small mistake. It is given to `rustc` against the library
//! that this test was built with, so nothing is built again; it must not compile, and every `//~`
//! text in the file must appear in what the compiler prints, each on one line of its own. A `//~!`
//! text must not appear.  `right.rs` holds
//! what is to be done instead, and must compile.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::{env, fs};

/// The folder in which cargo put this test, the library and all it depends on.
fn deps() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.parent().unwrap().to_path_buf()
}

/// The library as it was built last: cargo keeps one for each set of features.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        fs::read_dir(deps())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name.starts_with("libburn_losses-") && name.ends_with(".rlib")
            })
            .max_by_key(|entry| entry.metadata().unwrap().modified().unwrap())
            .expect("cargo builds the library before its tests")
            .path()
    })
}

fn compile(snippet: &Path) -> Output {
    let name = snippet.file_stem().unwrap().to_string_lossy();
    let metadata = env::temp_dir().join(format!("burn_losses_{}_{name}", std::process::id()));
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib"])
        .args(["--emit=metadata", "--error-format=human", "--color=never"])
        .arg("-o")
        .arg(&metadata)
        .arg("--extern")
        .arg(format!("burn_losses={}", library().display()))
        .arg("-L")
        .arg(format!("dependency={}", deps().display()))
        .arg(snippet)
        .output()
        .expect("rustc runs");
    let _ = fs::remove_file(metadata);
    output
}

fn snippet(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_messages");
    folder.join(format!("{name}.rs"))
}

/// The texts that follow `marker` in a snippet.
fn texts<'a>(source: &'a str, marker: &'a str) -> impl Iterator<Item = &'a str> {
    source
        .lines()
        .filter_map(move |line| line.trim().strip_prefix(marker))
}

fn fails_with_its_message(name: &str) {
    let path = snippet(name);
    let source = fs::read_to_string(&path).unwrap();
    let output = compile(&path);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{name} compiles");
    assert!(texts(&source, "//~ ").count() >= 2, "{name} pins nothing");
    for expected in texts(&source, "//~ ") {
        assert!(
            said.lines().any(|line| line.contains(expected)),
            "{name}: the compiler does not say\n    {expected}\nbut\n{said}"
        );
    }
    for unwanted in texts(&source, "//~! ") {
        assert!(
            !said.contains(unwanted),
            "{name}: the compiler should not say\n    {unwanted}\nbut does:\n{said}"
        );
    }
}

#[test]
fn what_is_right_compiles() {
    let output = compile(&snippet("right"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// A test for each mistake, and one that no file was forgotten.
macro_rules! mistakes {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                fails_with_its_message(stringify!($name));
            }
        )*

        #[test]
        fn every_snippet_is_tested() {
            let tested = ["right", $(stringify!($name)),*];
            let folder = snippet("right").parent().unwrap().to_path_buf();
            let mut files = 0;
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                assert!(tested.contains(&name.as_str()), "{name} is not tested");
                files += 1;
            }
            assert_eq!(files, tested.len());
        }
    };
}

mistakes! {
    cross_entropy_ids_with_trailing_axis
    cross_entropy_float_ids
    cross_entropy_int_one_hot
    cross_entropy_single_sample
    focal_class_probabilities
    nll_float_ids
    nll_class_probabilities
    bce_class_ids
    bce_labels_without_trailing_axis
    bce_with_logits_class_ids
    kl_div_class_ids
    mse_targets_of_another_rank
    poisson_nll_bool_counts
    poisson_nll_counts_of_another_rank
    gaussian_nll_int_variance
    multi_margin_float_ids
    multi_label_margin_multi_hot
    multi_label_margin_class_ids
    multi_label_soft_margin_class_ids
    soft_margin_signs_of_another_rank
    cosine_embedding_signs_with_trailing_axis
    triplet_margin_vectors
    hinge_embedding_signs_of_another_rank
    margin_ranking_labels_of_another_rank
    weights_of_another_rank
    int_weights
    three_inputs_called_with_two
    two_inputs_called_with_three
    generic_over_the_target
}
