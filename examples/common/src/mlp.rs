//! The network that all examples train.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};

/// A network with one hidden layer and a linear last one.
#[derive(Module, Debug)]
pub struct Mlp {
    hidden: Linear,
    output: Linear,
}

impl Mlp {
    /// A network with random weights.
    pub fn new([inputs, hidden, outputs]: [usize; 3], device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(inputs, hidden).init(device),
            output: LinearConfig::new(hidden, outputs).init(device),
        }
    }

    /// The outputs `[N, outputs]` for inputs `[N, inputs]`.
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        let hidden = activation::relu(self.hidden.forward(inputs));
        self.output.forward(hidden)
    }
}
