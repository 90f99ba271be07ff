//! Losses of each kind, on a device that another process serves, beside those on a device of this process.

use burn::prelude::*;
use burn::remote::RemoteHost;
use burn::server::telemetry::{TelemetryEvent, TelemetryProbe};
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::{Distribution, FloatDType, activation};
use burn_losses::custom::Custom;
use burn_losses::prelude::*;
use burn_losses::{Checks, cosine_similarity, pairwise_distance, with_checks};
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

const SERVE: &str = "--serve";
/// A server without sweeps.
const PLAIN: &str = "--serve-plain";
const ASK: &str = "--ask";
const NOTHING: &str = "of nothing";
/// In the names of those whose targets are wrong.
const UNCHECKED: &str = "unchecked";
const OPERATIONS: &str = "operations ";

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some(SERVE), _) => serve(burn_losses::remote::server([served()])),
        (Some(PLAIN), _) => serve(RemoteServer::new([Device::flex()])),
        (Some(ASK), Some(address)) => {
            let error =
                burn_losses::remote::use_sweeps(&connect(&address)).expect_err("it is plain");
            println!("{error}");
        }
        _ => compare(),
    }
}

fn served() -> Device {
    #[cfg(feature = "ndarray")]
    return Device::ndarray();
    #[cfg(not(feature = "ndarray"))]
    Device::flex()
}

/// Serves, and writes down how many operations there were, whenever it is asked for it.
fn serve(server: RemoteServer) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    println!("{}", listener.local_addr().expect("it is bound"));
    let (probe, mut events) = TelemetryProbe::channel(1 << 16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            line.expect("it is asked");
            let mut since = Vec::new();
            events.drain_into(&mut since);
            let operations = since
                .iter()
                .filter(|event| matches!(***event, TelemetryEvent::Op { .. }));
            println!("{OPERATIONS}{}", operations.count());
        }
        std::process::exit(0);
    });
    let transport = WebSocketTransport::from_listener(listener);
    server
        .with_telemetry(probe)
        .serve(transport)
        .expect("it serves");
}

/// Another process that serves.
struct Server {
    process: Child,
    answers: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Server {
    fn start(how: &str) -> Self {
        let mut process = itself(how)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut answers = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let address = answers
            .next()
            .expect("it says where it is")
            .expect("in words");
        Self {
            process,
            answers,
            address,
        }
    }

    /// How many operations there were since this was asked for.
    fn operations(&mut self) -> usize {
        let questions = self.process.stdin.as_mut().expect("it is piped");
        writeln!(questions).expect("it listens");
        // What the server logs is there as well.
        let answers = self.answers.by_ref().map(|line| line.expect("in words"));
        let mut numbers = answers.filter_map(|line| line.strip_prefix(OPERATIONS)?.parse().ok());
        numbers.next().expect("it answers")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

fn itself(how: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it has a name"));
    command.arg(how);
    command
}

fn connect(address: &str) -> Device {
    let host = RemoteHost::websocket(&format!("ws://{address}"));
    Device::remote_options(&host).init().expect("it answers")
}

fn compare() {
    let here =
        burn_losses::remote::use_sweeps(&Device::flex()).expect_err("it is no remote device");
    println!("{here}");
    // In a process of its own: the session ends.
    let plain = Server::start(PLAIN);
    let asked = itself(ASK).arg(&plain.address).status().expect("it runs");
    assert!(asked.success(), "a server without sweeps is an error");
    drop(plain);

    let mut server = Server::start(SERVE);
    let remote = connect(&server.address);
    // With its fusion Burn 0.22.1 ends the session at tensor operations of several losses: it replays a graph that it
    // recorded with a float tensor where there is an int one.
    let composed = if cfg!(feature = "fusion") {
        Vec::new()
    } else {
        compared(&remote, &mut server)
    };
    burn_losses::remote::use_sweeps(&remote).expect("it has sweeps");
    server.operations();
    let swept = compared(&remote, &mut server);
    for (what, losses) in [("tensor operations", &composed), ("sweeps", &swept)] {
        println!("{what:<28} messages  difference");
        for of_loss in losses {
            let OfLoss {
                name,
                difference,
                operations,
            } = of_loss;
            println!("{name:<28} {operations:>8} {difference:>11.1e}");
            assert!(*difference < 1e-5, "{name} differs by {difference:e}");
        }
    }
    for (composed, swept) in composed.iter().zip(&swept) {
        // Of nothing the loss is known.
        let fewer = swept.operations < composed.operations || swept.name == NOTHING;
        assert!(fewer, "{} is not swept", swept.name);
    }
}

/// What was found of a loss.
struct OfLoss {
    name: &'static str,
    /// How far values and gradients are from those here, as a share of the largest.
    difference: f64,
    /// How many operations the server was sent.
    operations: usize,
}

/// A value and the gradient of the first input, as numbers.
fn numbers<const D: usize>(x: Tensor<D>, loss: impl FnOnce(Tensor<D>) -> Tensor<1>) -> Vec<f64> {
    let x = x.autodiff().require_grad();
    let value = loss(x.clone());
    let gradients = value.backward();
    let gradient = x.grad(&gradients).expect("it is tracked");
    let mut numbers: Vec<f64> = value.into_data().iter().collect();
    numbers.extend(gradient.into_data().iter::<f64>());
    numbers
}

/// Losses on a device that a server has, and here.
fn compared(remote: &Device, server: &mut Server) -> Vec<OfLoss> {
    let here = Device::flex();
    let random =
        |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Normal(0.0, 2.0), &here);
    let (x, y, z) = (random([12, 8]), random([12, 8]), random([12, 8]));
    let labels = y.clone().greater_scalar(0.0).int();
    let signs = labels.clone() * 2 - 1;
    let sides: Tensor<1, Int> = signs.clone().slice_dim(1, 0..1).squeeze_dim(1);
    let counts = y.clone().abs().floor();
    let ids: Tensor<1, Int> = y.clone().argmax(1).reshape([12]);
    let images: Tensor<3> = x.clone().reshape([2, 6, 8]).swap_dims(1, 2);
    let pixels: Tensor<2, Int> = ids.clone().reshape([2, 6]);
    let boxes: Tensor<2> = (y.clone().reshape([24, 4]).abs() + 1.0).cumsum(1);
    let found: Tensor<2> = (x.clone().reshape([24, 4]).abs() + 1.0).cumsum(1);
    let places: Tensor<2> = y
        .clone()
        .slice_dim(0, 0..3)
        .slice_dim(1, 0..4)
        .abs()
        .clamp(0.0, 6.5);
    let masks: Tensor<3, Int> = images.clone().greater_scalar(0.5).int();
    let wrong_ids = Tensor::<1, Int>::from_data([0, 1, -2, 3, 4, 5, 6, 7, 8, 0, 1, 2], &here);
    let wrong_labels = labels.clone() * 255;
    let wrong_pixels: Tensor<2, Int> = wrong_ids.clone().reshape([2, 6]);
    let choices: Tensor<2, Int> = ids.clone().reshape([12, 1]);

    let mut all = Vec::new();
    // What is computed, of tensors on either device.
    macro_rules! of {
        ($name:expr, $x:ident, [$($given:ident),*], $loss:expr) => {
            let run = |device: &Device| {
                $(let $given = $given.clone().to_device(device);)*
                numbers($x.clone().to_device(device), |$x| ($loss)($x, $($given),*))
            };
            server.operations();
            let found = run(remote);
            let operations = server.operations();
            let expected = run(&here);
            let size = expected.iter().fold(1e-30, |size: f64, number| size.max(number.abs()));
            let pairs = found.iter().zip(&expected);
            assert_eq!(found.len(), expected.len(), "{}", $name);
            // A wrong target that nobody looked at shows, and nothing else does.
            let shows = expected.iter().any(|number| number.is_nan());
            assert_eq!(shows, $name.contains(UNCHECKED), "{}: {expected:?}", $name);
            let difference = pairs.map(|(one, other)| {
                assert_eq!(one.is_nan(), other.is_nan(), "{}: {found:?}, {expected:?}", $name);
                if one.is_nan() { 0.0 } else { (one - other).abs() / size }
            });
            let difference = difference.fold(0.0, f64::max);
            all.push(OfLoss {
                name: $name,
                difference,
                operations,
            });
        };
    }
    of!("mse", x, [y], |x, y| MseLoss::new().forward(x, y));
    of!("l1", x, [y], |x, y| L1Loss::new().forward(x, y));
    of!("smooth_l1", x, [y], |x, y| SmoothL1Loss::new()
        .forward(x, y));
    of!("smooth_l1 of 1e25", x, [y], |x, y| {
        let loss = SmoothL1LossConfig::new().with_beta(1e25).init();
        loss.forward(x, y)
    });
    of!("poisson_nll", x, [counts], |x, counts: Tensor<2>| {
        PoissonNllLoss::new().forward(x, counts)
    });
    of!("poisson_nll, full", x, [counts], |x, counts: Tensor<2>| {
        let loss = PoissonNllLossConfig::new().with_full(true).init();
        loss.forward(x, counts)
    });
    of!(
        "poisson_nll of rates",
        x,
        [counts],
        |x: Tensor<2>, counts: Tensor<2>| {
            let loss = PoissonNllLossConfig::new().with_log_input(false).init();
            loss.forward(x.exp(), counts)
        }
    );
    of!(
        "poisson_nll of rates, full",
        x,
        [counts],
        |x: Tensor<2>, counts: Tensor<2>| {
            let config = PoissonNllLossConfig::new().with_log_input(false);
            config.with_full(true).init().forward(x.exp(), counts)
        }
    );
    of!("gaussian_nll", x, [y, z], |x, y, z: Tensor<2>| {
        GaussianNllLoss::new().forward(x, y, z.exp())
    });
    of!("gaussian_nll of one", x, [y], |x, y| GaussianNllLoss::new()
        .forward(x, y, 1.5));
    of!("bce", x, [labels], |x, labels: Tensor<2, Int>| {
        BceLoss::new().forward(activation::sigmoid(x), labels)
    });
    of!(
        "bce_with_logits of positives",
        x,
        [labels],
        |x, labels: Tensor<2, Int>| {
            let weights = Some(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
            let loss = BceWithLogitsLossConfig::new()
                .with_pos_weights(weights)
                .init();
            loss.forward(x, labels)
        }
    );
    of!("soft_margin", x, [signs], |x, signs: Tensor<2, Int>| {
        SoftMarginLoss::new().forward(x, signs)
    });
    of!(
        "hinge_embedding",
        x,
        [signs],
        |x: Tensor<2>, signs: Tensor<2, Int>| { HingeEmbeddingLoss::new().forward(x.abs(), signs) }
    );
    of!(
        "margin_ranking",
        x,
        [y, signs],
        |x, y, signs: Tensor<2, Int>| { MarginRankingLoss::new().forward(x, y, signs) }
    );
    of!("cosine_embedding", x, [y, sides], |x,
                                            y,
                                            sides: Tensor<
        1,
        Int,
    >| {
        CosineEmbeddingLoss::new().forward(x, y, sides)
    });
    of!("kl_div of probabilities", x, [y], |x, y| {
        let y = target::log_probs(y, 1).exp();
        KlDivLoss::new().forward(target::log_probs(x, 1), y)
    });
    of!("z_loss", x, [ids], |x, ids: Tensor<1, Int>| {
        let loss = CrossEntropyLossConfig::new().with_z_loss(0.1).init();
        loss.forward(x, ids)
    });
    of!("softcap", x, [ids], |x, ids: Tensor<1, Int>| {
        let loss = CrossEntropyLossConfig::new().with_softcap(Some(3.0)).init();
        loss.forward(x, ids)
    });
    of!("soft cross_entropy", x, [y], |x, y| {
        CrossEntropyLoss::new().forward(x, target::log_probs(y, 1).exp())
    });
    of!("nll", x, [ids], |x, ids: Tensor<1, Int>| {
        NllLoss::new().forward(target::log_probs(x, 1), ids)
    });
    of!("poly1", x, [ids], |x, ids: Tensor<1, Int>| Poly1Loss::new()
        .forward(x, ids));
    of!(
        "multi_margin, squared",
        x,
        [ids],
        |x, ids: Tensor<1, Int>| {
            MultiMarginLossConfig::new()
                .with_p(2)
                .init()
                .forward(x, ids)
        }
    );
    of!("multi_label_margin", x, [labels], |x,
                                            labels: Tensor<
        2,
        Int,
    >| {
        MultiLabelMarginLoss::new().forward(x, target::label_ids(labels, 1))
    });
    of!("triplet_margin, swapped", x, [y, z], |x, y, z| {
        let loss = TripletMarginLossConfig::new().with_swap(true).init();
        loss.forward(x, y, z)
    });
    of!("triplet_margin of cubes", x, [y, z], |x, y, z| {
        let loss = TripletMarginLossConfig::new().with_p(3.0).init();
        loss.forward(x, y, z)
    });
    of!("triplet of cosines", x, [y, z], |x, y, z| {
        let config = TripletMarginWithDistanceLossConfig::new();
        let loss = config.with_distance(Distance::Cosine).init();
        loss.forward(x, y, z)
    });
    of!("triplet of a distance", x, [y, z], |x, y, z| {
        let largest =
            |a: Tensor<2>, b: Tensor<2>| -> Tensor<1> { (a - b).abs().max_dim(1).squeeze_dim(1) };
        let config = TripletMarginWithDistanceLossConfig::new();
        config.init_with(largest).forward(x, y, z)
    });
    of!("pairwise_distance", x, [y], |x, y| {
        let distances: Tensor<1> = pairwise_distance::<2>(x, y, 2.0, 1e-6);
        distances.sum()
    });
    of!("pairwise_distance of cubes", x, [y], |x, y| {
        let distances: Tensor<1> = pairwise_distance::<2>(x, y, 3.0, 1e-6);
        distances.sum()
    });
    of!("cosine_similarity", x, [y], |x, y| {
        let cosines: Tensor<1> = cosine_similarity::<2>(x, y, 1e-8);
        cosines.sum()
    });
    of!("coral", x, [ids], |x, ids: Tensor<1, Int>| CoralLoss::new()
        .forward(x, ids));
    of!("corn", x, [ids], |x, ids: Tensor<1, Int>| CornLoss::new()
        .forward(x, ids));
    of!(
        "distribution_focal",
        x,
        [places],
        |x: Tensor<2>, places: Tensor<2>| {
            let bins: Tensor<3> = x.reshape([3, 4, 8]);
            DistributionFocalLoss::new().forward(bins, places)
        }
    );
    of!("lovasz of masks", images, [masks], |x,
                                             masks: Tensor<
        3,
        Int,
    >| {
        let loss = LovaszLossConfig::new()
            .with_variant(LovaszVariant::Hinge)
            .init();
        loss.forward(x, masks)
    });
    of!(
        "dice_focal",
        images,
        [pixels],
        |x, pixels: Tensor<2, Int>| { DiceFocalLoss::new().forward(x, pixels) }
    );
    of!("each loss", x, [y], |x, y| {
        let losses = HuberLoss::new().forward_no_reduction(x, y);
        (losses.clone() * losses).sum()
    });
    of!(
        "each loss of a class",
        x,
        [ids],
        |x, ids: Tensor<1, Int>| {
            let losses: Tensor<1> = FocalLoss::new().forward_no_reduction(x, ids);
            (losses.clone() * losses).sum()
        }
    );
    of!(
        "weights of samples",
        x,
        [y, places, sides],
        |x, y, places: Tensor<2>, sides: Tensor<1, Int>| {
            let weights: Tensor<1> = places.reshape([12]);
            CosineEmbeddingLoss::new().forward_weighted(x, y, sides, weights)
        }
    );
    of!("weights of elements", x, [y], |x, y: Tensor<2>| {
        MseLoss::new().forward_weighted(x, y.clone(), y.abs())
    });
    of!("parts", x, [ids], |x, ids: Tensor<1, Int>| {
        let loss = CrossEntropyLossConfig::new().with_ignore_index(3).init();
        let parts = loss.forward_parts(x, ids);
        parts.sum / parts.weight
    });
    of!("f64", x, [ids], |x: Tensor<2>, ids: Tensor<1, Int>| {
        let loss = CrossEntropyLossConfig::new().with_z_loss(0.1).init();
        loss.forward(x.cast(FloatDType::F64), ids)
            .cast(FloatDType::F32)
    });
    of!("bf16", x, [y], |x: Tensor<2>, y: Tensor<2>| {
        let [x, y] = [x, y].map(|of| of.cast(FloatDType::BF16));
        MseLoss::new().forward(x, y).cast(FloatDType::F32)
    });
    of!(
        "bf16 of a class",
        x,
        [ids],
        |x: Tensor<2>, ids: Tensor<1, Int>| {
            let loss = DiceLoss::new();
            let logits: Tensor<3> = x.cast(FloatDType::BF16).reshape([12, 8, 1]);
            loss.forward(logits, ids.reshape([12, 1]))
                .cast(FloatDType::F32)
        }
    );
    of!("a closure", x, [y], |x, y| {
        let loss = Custom::elementwise("Quartic", |x, y| (x - y).square().square());
        loss.forward(x, y)
    });
    of!(
        "a closure of a class",
        x,
        [ids],
        |x, ids: Tensor<1, Int>| {
            let loss = Custom::softmax("Own", |ln_p, _, rest| -rest.square() * ln_p);
            loss.forward(x, ids)
        }
    );
    of!("a closure of rows", x, [y], |x: Tensor<2>, y: Tensor<2>| {
        let loss = Custom::row(
            "Correlation",
            |[x, y]| [x.clone() * y.clone(), x.square(), y.square()],
            |[xy, xx, yy]| 1.0 - xy / (xx * yy).sqrt(),
        );
        loss.forward(x, y)
    });
    of!("huber", x, [y], |x, y| HuberLoss::new().forward(x, y));
    of!("gamma_nll", x, [y], |x: Tensor<2>, y: Tensor<2>| {
        GammaNllLoss::new().forward(x, y.exp())
    });
    of!(
        "bce_with_logits",
        x,
        [labels],
        |x, labels: Tensor<2, Int>| BceWithLogitsLoss::new().forward(x, labels)
    );
    of!("kl_div", x, [y], |x, y| KlDivLossConfig::new()
        .with_log_target(true)
        .init()
        .forward(target::log_probs(x, 1), target::log_probs(y, 1)));
    of!("cross_entropy", x, [ids], |x, ids: Tensor<1, Int>| {
        CrossEntropyLossConfig::new()
            .with_label_smoothing(0.1)
            .with_ignore_index(3)
            .init()
            .forward(x, ids)
    });
    of!("focal", x, [ids], |x, ids: Tensor<1, Int>| FocalLoss::new()
        .forward(x, ids));
    of!("multi_margin", x, [ids], |x, ids: Tensor<1, Int>| {
        MultiMarginLoss::new().forward(x, ids)
    });
    of!("triplet_margin", x, [y, z], |x, y, z| {
        TripletMarginLoss::new().forward(x, y, z)
    });
    of!("softmax_kl", x, [y], |x, y| SoftmaxKlLoss::new()
        .forward(x, y));
    of!("earth_mover", x, [ids], |x, ids: Tensor<1, Int>| {
        EarthMoverLoss::new().forward(x, ids)
    });
    of!("dice", images, [pixels], |x, pixels: Tensor<2, Int>| {
        DiceLoss::new().forward(x, pixels)
    });
    of!("dice_cross_entropy", images, [pixels], |x,
                                                 pixels: Tensor<
        2,
        Int,
    >| {
        DiceCrossEntropyLoss::new().forward(x, pixels)
    });
    of!("lovasz", images, [pixels], |x, pixels: Tensor<2, Int>| {
        LovaszLoss::new().forward(x, pixels)
    });
    of!("ciou", found, [boxes], |x, boxes| CiouLoss::new()
        .forward(x, boxes));
    of!(
        "load_balance",
        x,
        [choices],
        |x, choices: Tensor<2, Int>| LoadBalanceLoss::new().forward(x, choices)
    );
    of!("router_z", x, [], |x| RouterZLoss::new().forward(x));
    of!("forward_over", x, [ids], |x, ids: Tensor<1, Int>| {
        let loss = CrossEntropyLoss::new();
        let total = loss.weight(ids.clone());
        loss.forward_over(x, ids, total)
    });

    of!("f16", x, [ids], |x: Tensor<2>, ids: Tensor<1, Int>| {
        let x = x.cast(FloatDType::F16);
        FocalLoss::new().forward(x, ids).cast(FloatDType::F32)
    });
    of!("transposed", x, [y], |x: Tensor<2>, y: Tensor<2>| {
        HuberLoss::new().forward(x.transpose(), y.transpose())
    });
    of!(
        "a part of a tensor",
        x,
        [y],
        |x: Tensor<2>, y: Tensor<2>| {
            let [x, y] = [x, y].map(|of| of.slice_dim(0, 2..7).slice_dim(1, 1..4));
            KlDivLoss::new().forward(target::log_probs(x, 1), target::log_probs(y, 1).exp())
        }
    );
    of!("one tensor twice", x, [], |x: Tensor<2>| {
        MarginRankingLoss::new().forward(x.clone(), x.clone().detach(), x.detach().sign().int())
    });
    of!(
        "one input twice",
        x,
        [sides],
        |x: Tensor<2>, sides: Tensor<1, Int>| {
            CosineEmbeddingLoss::new().forward(x.clone(), x, sides)
        }
    );
    of!(
        "one that is read again",
        x,
        [y],
        |x: Tensor<2>, y: Tensor<2>| {
            let loss = MseLoss::new().forward(x.clone(), y.clone());
            loss + L1Loss::new().forward(x.clone() * y.clone(), y) + x.square().sum()
        }
    );
    of!("of rank 1", x, [y], |x: Tensor<2>, y: Tensor<2>| {
        let [x, y]: [Tensor<1>; 2] = [x, y].map(|of| of.reshape([96]));
        LogCoshLoss::new().forward(x, y)
    });
    of!(NOTHING, x, [y], |x: Tensor<2>, y: Tensor<2>| {
        let [none, none_of_y] = [x.clone(), y].map(|of| of.slice_dim(0, 0..0));
        let loss = MseLossConfig::new().with_reduction(Reduction::Sum).init();
        loss.forward(none, none_of_y) + x.sum()
    });
    of!("an unchecked id", x, [wrong_ids], |x,
                                            wrong_ids: Tensor<
        1,
        Int,
    >| {
        with_checks(Checks::Never, || {
            CrossEntropyLoss::new().forward(x, wrong_ids)
        })
    });
    of!("each unchecked id", x, [wrong_ids], |x,
                                              wrong_ids: Tensor<
        1,
        Int,
    >| {
        with_checks(Checks::Never, || {
            let losses: Tensor<1> =
                NllLoss::new().forward_no_reduction(target::log_probs(x, 1), wrong_ids);
            losses.sum()
        })
    });
    of!(
        "an unchecked label",
        x,
        [wrong_labels],
        |x, wrong_labels: Tensor<2, Int>| {
            with_checks(Checks::Never, || {
                BceWithLogitsLoss::new().forward(x, wrong_labels)
            })
        }
    );
    of!(
        "unchecked pixels",
        images,
        [wrong_pixels],
        |x, wrong_pixels: Tensor<2, Int>| {
            with_checks(Checks::Never, || DiceLoss::new().forward(x, wrong_pixels))
        }
    );

    // Without a graph.
    let untracked = |device: &Device| {
        let (x, ids) = (x.clone().to_device(device), ids.clone().to_device(device));
        CrossEntropyLoss::new().forward(x, ids).into_scalar::<f32>()
    };
    assert!((untracked(remote) - untracked(&here)).abs() < 1e-5);

    let error = CrossEntropyLoss::new()
        .try_forward(x.to_device(remote), wrong_ids.to_device(remote))
        .expect_err("-2 is no class");
    println!("{error}");
    all
}
