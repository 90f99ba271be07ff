//! Devices that other processes on this machine serve.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use burn::remote::RemoteHost;
use burn::server::WebSocketTransport;
use burn::tensor::Device;
use common::Error;

/// What a process is started with that serves.
pub const SERVE: &str = "--serve";

/// Serves this machine's processor, at an address that is printed first, until the process is ended.
pub fn serve() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let transport = WebSocketTransport::from_listener(listener);
    Ok(burn_losses::remote::server([Device::flex()]).serve(transport)?)
}

/// Processes that serve a device each. They end with this.
pub struct Servers {
    processes: Vec<Child>,
    pub devices: Vec<Device>,
}

impl Servers {
    pub fn start(count: usize) -> Result<Self, Error> {
        let mut servers = Self {
            processes: Vec::new(),
            devices: Vec::new(),
        };
        for _ in 0..count {
            let mut process = Command::new(std::env::current_exe()?)
                .arg(SERVE)
                .stdout(Stdio::piped())
                // It complains when the other side ends first, as this one does.
                .stderr(Stdio::null())
                .spawn()?;
            let output = process.stdout.take().expect("it is piped");
            // It is ended whatever follows.
            servers.processes.push(process);
            let mut address = String::new();
            BufReader::new(output).read_line(&mut address)?;
            let host = RemoteHost::websocket(&format!("ws://{}", address.trim()));
            let device = Device::remote_options(&host).init()?;
            burn_losses::remote::use_sweeps(&device)?;
            servers.devices.push(device);
        }
        Ok(servers)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that has ended by itself cannot be ended again.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
