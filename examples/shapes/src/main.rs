//! The shape of each loss: its value and its gradient over its input, and its formula, typeset.
//!
//! It writes a page's head for each loss (`<loss>.html`, which the loss's documentation includes)
//! and all shapes side by side (`shapes.svg`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use common::Error;
use common::cli;

mod figure;
mod table;

/// Where the documentation looks for them.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/burn-losses/docs/shapes")
}

fn main() -> ExitCode {
    cli::exit(run(&folder()))
}

fn run(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder)?;
    for (name, text) in figure::all()? {
        let path = folder.join(name);
        fs::write(&path, text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files as they are and as they would be drawn now agree, but for a pixel here and there:
    /// the last digit of a logarithm is the processor's.
    #[test]
    fn the_documentation_has_the_current_shapes() {
        let drawn = figure::all().unwrap();
        let files = fs::read_dir(folder()).unwrap().count();
        assert_eq!(files, drawn.len(), "a file of a loss that is gone");
        for (name, text) in drawn {
            let file = fs::read_to_string(folder().join(&name)).unwrap();
            assert!(
                alike(&file, &text),
                "{name} has changed: draw it again with `cargo run -p shapes`"
            );
        }
    }

    fn alike(one: &str, other: &str) -> bool {
        let words = |text: &str| -> Vec<String> {
            text.split([' ', ',', '"', '\n'])
                .map(String::from)
                .collect()
        };
        let (one, other) = (words(one), words(other));
        one.len() == other.len()
            && one.iter().zip(&other).all(|(one, other)| {
                one == other
                    || match (one.parse::<i64>(), other.parse::<i64>()) {
                        (Ok(one), Ok(other)) => one.abs_diff(other) <= 1,
                        _ => false,
                    }
            })
    }

    #[test]
    fn a_pixel_does_not_matter_and_two_do() {
        assert!(alike("points=\"3,4 5,6\"", "points=\"3,5 5,6\""));
        assert!(!alike("points=\"3,4 5,6\"", "points=\"3,6 5,6\""));
        assert!(!alike("points=\"3,4 5,6\"", "points=\"3,4 5,6 7,8\""));
    }
}
