//! A web server that notes when each of its addresses was asked.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers on every address of 127.0.0.0/8, in a thread of its own, until the process ends.
pub(crate) struct Web {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

/// When each address was last asked, and the times between.
#[derive(Default)]
struct Seen {
    last: HashMap<IpAddr, Instant>,
    gaps: Vec<Duration>,
}

impl Web {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        listener.set_nonblocking(true).expect("a socket can be so");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let notes = seen.clone();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("it does not block");
                while let Ok((stream, _)) = listener.accept().await {
                    if let Ok(address) = stream.local_addr() {
                        notes.lock().expect("nobody panics with it").note(address.ip());
                    }
                    tokio::spawn(answer(stream));
                }
            });
        };
        thread::Builder::new().name("web".into()).spawn(serve).expect("a thread");
        Self { port, seen }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The times between two probes of one backend, since this was last asked.
    pub(crate) fn gaps(&self) -> Vec<Duration> {
        let mut seen = self.seen.lock().expect("nobody panics with it");
        // What happened between two rows belongs to neither.
        seen.last.clear();
        std::mem::take(&mut seen.gaps)
    }
}

impl Seen {
    fn note(&mut self, address: IpAddr) {
        let now = Instant::now();
        if let Some(last) = self.last.insert(address, now) {
            self.gaps.push(now - last);
        }
    }
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::with_capacity(1_024);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
    stream.shutdown().await
}
