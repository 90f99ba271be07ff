//! PyTorch and JAX, each in a process of its own, which takes one step whenever it is told to.

use crate::report::{JAX, LIBRARIES, LIGER, TORCH};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The scripts, which lie beside the manifest.
pub(crate) const TORCH_SCRIPT: &str = "torch_losses.py";
pub(crate) const JAX_SCRIPT: &str = "jax_losses.py";

/// A running script.
pub(crate) struct Python {
    script: &'static str,
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    pub(crate) version: String,
    /// The names of those who compute the loss of the present case.
    pub(crate) ways: Vec<&'static str>,
}

impl Python {
    /// On `cuda` it runs where its library has that, or else on the CPU; its version says which.
    pub(crate) fn start(
        python: &Path,
        script: &'static str,
        threads: usize,
        device: &str,
        float: &str,
    ) -> std::io::Result<Self> {
        let mut process = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
            .arg(threads.to_string())
            .args(["--device", device, "--type", float])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = process.stdin.take().expect("the input is a pipe");
        let from = BufReader::new(process.stdout.take().expect("the output is a pipe"));
        let mut python = Self {
            script,
            process,
            to,
            from,
            version: String::new(),
            ways: Vec::new(),
        };
        python.version = python.answer()?;
        Ok(python)
    }

    /// Makes the inputs of a case, and compiles its loss.
    pub(crate) fn prepare(&mut self, loss: &str, shape: &[usize]) -> std::io::Result<()> {
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        let answer = self.ask(&format!("case {loss} {}", shape.join(" ")))?;
        let there: Vec<&str> = answer.split_whitespace().collect();
        let ways = TORCH.into_iter().chain([LIGER, JAX]).chain(LIBRARIES);
        self.ways = ways.filter(|way| there.contains(way)).collect();
        Ok(())
    }

    /// The milliseconds of one step of one of the ways.
    pub(crate) fn step(&mut self, how: &str, backward: bool) -> std::io::Result<f64> {
        let pass = if backward { "backward" } else { "forward" };
        let answer = self.ask(&format!("step {how} {pass}"))?;
        answer.parse().map_err(std::io::Error::other)
    }

    fn ask(&mut self, question: &str) -> std::io::Result<String> {
        writeln!(self.to, "{question}")?;
        self.to.flush()?;
        self.answer()
    }

    fn answer(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Err(std::io::Error::other(format!(
                "{} has stopped",
                self.script
            ))),
            _ => Ok(line.trim().to_string()),
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have stopped by itself; there is nothing left to do then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
