use burn::tensor::{Tensor, TensorData};
use burn_losses::distributed::{Exchange, ExchangeError};
use std::io::{Error, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The exchange of processes: rank 0 adds up what the others send it, and sends each the sum.
pub struct Tcp {
    rank: usize,
    ranks: usize,
    /// The connections of rank 0 to the others, in their order; of any other rank the one to rank 0.
    streams: Vec<TcpStream>,
}

impl Tcp {
    /// Rank 0, which waits until all others have come. No read and no write will wait longer than the timeout either.
    pub fn host(listener: &TcpListener, ranks: usize, timeout: Duration) -> Result<Self, Error> {
        let since = Instant::now();
        listener.set_nonblocking(true)?; // A listener has no timeout of its own.
        let mut came: Vec<Option<TcpStream>> = (1..ranks).map(|_| None).collect();
        while came.iter().any(Option::is_none) {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    let mut stream = prepared(stream, timeout)?;
                    let rank = received(&mut stream, 1)?[0] as usize;
                    let place = rank.checked_sub(1).and_then(|at| came.get_mut(at));
                    match place.filter(|place| place.is_none()) {
                        Some(place) => *place = Some(stream),
                        None => {
                            return Err(Error::other(format!(
                                "rank {rank} came twice, or is none"
                            )));
                        }
                    }
                }
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) if since.elapsed() > timeout => return Err(ErrorKind::TimedOut.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        let streams = came.into_iter().flatten().collect();
        Ok(Self {
            rank: 0,
            ranks,
            streams,
        })
    }

    /// Another rank, which connects to rank 0.
    pub fn join(
        host: SocketAddr,
        rank: usize,
        ranks: usize,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let mut stream = prepared(TcpStream::connect_timeout(&host, timeout)?, timeout)?;
        send(&mut stream, &[rank as f64])?;
        Ok(Self {
            rank,
            ranks,
            streams: vec![stream],
        })
    }

    fn exchanged(&self, own: Vec<f64>) -> Result<Vec<f64>, Error> {
        let count = own.len();
        if self.rank > 0 {
            let mut host = &self.streams[0];
            send(&mut host, &own)?;
            return received(&mut host, count);
        }
        let mut sum = own;
        for mut stream in &self.streams {
            for (sum, number) in sum.iter_mut().zip(received(&mut stream, count)?) {
                *sum += number;
            }
        }
        for mut stream in &self.streams {
            send(&mut stream, &sum)?;
        }
        Ok(sum)
    }
}

impl Exchange for Tcp {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn sum(&self, tensor: Tensor<1>) -> Result<Tensor<1>, ExchangeError> {
        let (device, dtype) = (tensor.device(), tensor.dtype());
        // `f64` holds what a narrower type does.
        let own: Vec<f64> = tensor.into_data().iter::<f64>().collect();
        let sum = self.exchanged(own).inspect_err(|_| {
            // Whoever waits for this rank is told so: the connection ends, here and there.
            for stream in &self.streams {
                let _ = stream.shutdown(Shutdown::Both);
            }
        })?;
        let count = sum.len();
        let sum = TensorData::new(sum, [count]).convert_dtype(dtype);
        Ok(Tensor::from_data(sum, (&device, dtype)))
    }
}

fn prepared(stream: TcpStream, timeout: Duration) -> Result<TcpStream, Error> {
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends how many numbers there are, and the numbers.
fn send(stream: &mut impl Write, numbers: &[f64]) -> Result<(), Error> {
    let mut bytes = (numbers.len() as u64).to_le_bytes().to_vec();
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    stream.write_all(&bytes)
}

/// So many numbers; another count is an error.
fn received(stream: &mut impl Read, count: usize) -> Result<Vec<f64>, Error> {
    let mut length = [0; 8];
    stream.read_exact(&mut length)?;
    let sent = u64::from_le_bytes(length);
    if sent != count as u64 {
        return Err(Error::other(format!(
            "another rank has {sent} numbers, and this one {count}"
        )));
    }
    let mut bytes = vec![0; count * 8];
    stream.read_exact(&mut bytes)?;
    let numbers = bytes
        .chunks_exact(8)
        .map(|bytes| f64::from_le_bytes(bytes.try_into().expect("8 bytes")));
    Ok(numbers.collect())
}
