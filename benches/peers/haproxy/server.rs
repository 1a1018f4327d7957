//! The server that HAProxy and maglevd check in turn: answers whatever ends in an empty line, on a port of every local address.
//!
//! Prints its port, then serves until it is killed.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = listen().await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        // One that was reset before it was accepted is nothing to stop for.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    }
}

/// Answers one request. A peer that goes away needs no answer.
async fn answer(mut stream: TcpStream) {
    let mut request = [0; 1024];
    let mut len = 0;
    while len < request.len() && !request[..len].ends_with(b"\r\n\r\n") {
        match stream.read(&mut request[len..]).await {
            Ok(more) if more > 0 => len += more,
            _ => return,
        }
    }
    let _ = stream.write_all(ANSWER).await;
}

/// On the first free port of those that servers have: below the ones that the kernel gives to clients.
async fn listen() -> std::io::Result<TcpListener> {
    for port in 8_080..9_080 {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await {
            return Ok(listener);
        }
    }
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await
}
