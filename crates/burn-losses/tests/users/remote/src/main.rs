//! Losses of each kind, on a device that another process serves, beside those on a device of this process.

use burn::prelude::*;
use burn::remote::RemoteHost;
use burn::server::telemetry::{TelemetryEvent, TelemetryProbe};
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::Distribution;
use burn_losses::prelude::*;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

const SERVE: &str = "--serve";
/// A server without sweeps.
const PLAIN: &str = "--serve-plain";
const ASK: &str = "--ask";
const OPERATIONS: &str = "operations ";

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some(SERVE), _) => serve(burn_losses::remote::server([Device::flex()])),
        (Some(PLAIN), _) => serve(RemoteServer::new([Device::flex()])),
        (Some(ASK), Some(address)) => {
            let error =
                burn_losses::remote::use_sweeps(&connect(&address)).expect_err("it is plain");
            println!("{error}");
        }
        _ => compare(),
    }
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
    let composed = compared(&remote, &mut server);
    burn_losses::remote::use_sweeps(&remote).expect("it has sweeps");
    server.operations();
    let swept = compared(&remote, &mut server);
    println!("{:<24} tensors  difference  sweeps  difference", "");
    for (composed, swept) in composed.iter().zip(&swept) {
        println!(
            "{:<24} {:>7} {:>11.1e} {:>7} {:>11.1e}",
            composed.name,
            composed.operations,
            composed.difference,
            swept.operations,
            swept.difference,
        );
    }
    for of_loss in composed.iter().chain(&swept) {
        assert!(
            of_loss.difference < 1e-5,
            "{} differs by {:e}",
            of_loss.name,
            of_loss.difference
        );
    }
    for (composed, swept) in composed.iter().zip(&swept) {
        assert!(
            swept.operations < composed.operations,
            "{} is not swept",
            swept.name
        );
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
    let ids: Tensor<1, Int> = y.clone().argmax(1).reshape([12]);
    let images: Tensor<3> = x.clone().reshape([2, 6, 8]).swap_dims(1, 2);
    let pixels: Tensor<2, Int> = ids.clone().reshape([2, 6]);
    let boxes: Tensor<2> = (y.clone().reshape([24, 4]).abs() + 1.0).cumsum(1);
    let found: Tensor<2> = (x.clone().reshape([24, 4]).abs() + 1.0).cumsum(1);
    let choices: Tensor<2, Int> = ids.clone().reshape([12, 1]);

    let mut all = Vec::new();
    // What is computed, of tensors on either device.
    macro_rules! of {
        ($name:literal, $x:ident, [$($given:ident),*], $loss:expr) => {
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
            let difference = pairs.map(|(one, other)| (one - other).abs() / size).fold(0.0, f64::max);
            assert_eq!(found.len(), expected.len(), $name);
            assert!(!difference.is_nan(), $name);
            all.push(OfLoss {
                name: $name,
                difference,
                operations,
            });
        };
    }
    of!("mse", x, [y], |x, y| MseLoss::new().forward(x, y));
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

    let wrong = Tensor::<1, Int>::from_data([0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2], remote);
    let error = CrossEntropyLoss::new()
        .try_forward(x.to_device(remote), wrong)
        .expect_err("8 is no class");
    println!("{error}");
    all
}
