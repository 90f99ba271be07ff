//! Losses of each kind, on a device that another process serves, beside those on a device of this process.

use burn::prelude::*;
use burn::remote::RemoteHost;
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::Distribution;
use burn_losses::prelude::*;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

const SERVE: &str = "--serve";

fn main() {
    if std::env::args().nth(1).as_deref() == Some(SERVE) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        println!("{}", listener.local_addr().expect("it is bound"));
        let transport = WebSocketTransport::from_listener(listener);
        RemoteServer::new([Device::flex()])
            .serve(transport)
            .expect("it serves");
        return;
    }
    let itself = std::env::current_exe().expect("it has a name");
    let mut server = Command::new(itself)
        .arg(SERVE)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut address = String::new();
    let output = server.stdout.take().expect("it is piped");
    BufReader::new(output)
        .read_line(&mut address)
        .expect("it says where it is");
    let host = RemoteHost::websocket(&format!("ws://{}", address.trim()));
    let remote = Device::remote_options(&host).init().expect("it answers");
    let largest = compared(&remote);
    server.kill().expect("it runs");
    server.wait().expect("it ends");
    assert!(largest < 1e-5, "the largest difference is {largest:e}");
    println!("the largest difference is {largest:e}");
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

/// The largest difference between what is computed on a device and here, as a share of the largest number.
fn compared(remote: &Device) -> f64 {
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

    let mut largest: f64 = 0.0;
    // What is computed, of tensors on either device.
    macro_rules! of {
        ($name:literal, $x:ident, [$($given:ident),*], $loss:expr) => {
            let run = |device: &Device| {
                $(let $given = $given.clone().to_device(device);)*
                numbers($x.clone().to_device(device), |$x| ($loss)($x, $($given),*))
            };
            let (found, expected) = (run(remote), run(&here));
            let size = expected.iter().fold(1e-30, |size: f64, number| size.max(number.abs()));
            let pairs = found.iter().zip(&expected);
            let difference = pairs.map(|(one, other)| (one - other).abs() / size).fold(0.0, f64::max);
            assert_eq!(found.len(), expected.len(), $name);
            assert!(!difference.is_nan(), $name);
            println!("{:<24} {difference:.1e}", $name);
            largest = largest.max(difference);
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
    largest
}
