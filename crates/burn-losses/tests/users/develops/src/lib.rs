//! Every loss as a user calls it, and losses of closures: the cases of the benchmark.

use burn::tensor::Device;
use std::hint::black_box;
use std::time::Instant;

#[allow(dead_code)] // The benchmark uses the rest.
#[path = "../../../../../../benches/src/cases.rs"]
pub mod cases;
#[allow(dead_code)]
#[path = "../../../../../../benches/src/closures.rs"]
mod closures;

/// What the cases ask of a backend.
#[derive(Clone, Copy)]
pub enum Backend {
    Flex,
    #[allow(dead_code)]
    Ndarray,
    #[allow(dead_code)]
    Wgpu,
    #[allow(dead_code)]
    Cuda,
    #[allow(dead_code)]
    Rocm,
}

impl Backend {
    fn is_gpu(self) -> bool {
        false
    }
}

/// The medians of ours and of Burn's loss, if there is one, of each large case: forward and backward.
pub fn times(only: &str, repeats: usize) -> Vec<(String, f64, Option<f64>)> {
    let device = Device::flex();
    let large = |case: &cases::Case| case.elements() > 200_000 || case.loss == "cross_entropy";
    let of_losses = cases::cases(Backend::Flex, false).into_iter();
    let cases = of_losses.chain(closures::cases()).filter(large);
    let cases = cases.filter(|case| case.name().contains(only));
    cases
        .map(|case| {
            let contestants = if case.loss.starts_with("closure_") {
                closures::contestants(&case, &device)
            } else {
                case.contestants(&device)
            };
            let [ours, burn] = [cases::OURS, cases::BURN].map(|name| {
                let contestant = contestants.iter().find(|it| it.name == name)?;
                let mut times: Vec<f64> = (0..repeats + 2)
                    .map(|_| {
                        let step = (contestant.prepare)(true);
                        let start = Instant::now();
                        let left = black_box(step());
                        let time = start.elapsed().as_secs_f64() * 1e3;
                        drop(left);
                        time
                    })
                    .skip(2)
                    .collect();
                times.sort_by(f64::total_cmp);
                Some(times[times.len() / 2])
            });
            (case.name(), ours.expect("ours is there"), burn)
        })
        .collect()
}
