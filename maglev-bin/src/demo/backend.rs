//! A small HTTP server that can fail and recover: answers every request with its name.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// A server on `address`, running until it is stopped or dropped.
#[derive(Debug)]
pub struct Backend {
    name: Arc<str>,
    address: SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl Backend {
    /// A stopped server for `address`.
    pub fn new(name: &str, address: SocketAddr) -> Self {
        Self { name: name.into(), address, task: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it answers.
    pub fn is_running(&self) -> bool {
        self.task.is_some()
    }

    /// Starts to answer. A port of 0 becomes the port that the kernel gave.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start(&mut self) -> io::Result<()> {
        if self.task.is_some() {
            return Ok(());
        }
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        let listener = socket.listen(64)?;
        self.address = listener.local_addr()?;
        self.task = Some(tokio::spawn(serve(listener, self.name.clone())));
        Ok(())
    }

    /// Stops to answer: new connections are refused, those under way are cut.
    pub async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // The listener is closed once the task is gone, and not before.
            let _ = task.await;
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

async fn serve(listener: TcpListener, name: Arc<str>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(answer(stream, name.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Reads one request head, answers it, and closes.
async fn answer(mut stream: TcpStream, name: Arc<str>) -> io::Result<()> {
    let mut head = Vec::with_capacity(1_024);
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > 16_384 || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let body = format!("ok {name}\n");
    let reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nX-Backend: {name}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
    );
    stream.write_all(reply.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(address: SocketAddr) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        Ok(reply)
    }

    #[tokio::test]
    async fn it_answers_with_its_name_and_refuses_once_stopped() {
        let mut backend = Backend::new("web0", "127.0.0.1:0".parse().unwrap());
        backend.start().unwrap();
        assert!(get(backend.address()).await.unwrap().ends_with("ok web0\n"));
        backend.stop().await;
        assert_eq!(get(backend.address()).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        backend.start().unwrap();
        assert!(get(backend.address()).await.is_ok());
    }
}
