use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Listens at every local address, on the first free port of those that servers have: below the ones that the kernel gives to clients.
///
/// # Errors
/// No port is free at all.
pub async fn listen() -> io::Result<TcpListener> {
    for port in 8_080..9_080 {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await {
            return Ok(listener);
        }
    }
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await
}

/// Answers one request, whatever it is, that ends in an empty line. A peer that goes away needs no answer.
pub async fn answer(mut stream: TcpStream, bytes: &[u8]) {
    let mut request = [0; 1024];
    let mut len = 0;
    while len < request.len() && !request[..len].ends_with(b"\r\n\r\n") {
        match stream.read(&mut request[len..]).await {
            Ok(more) if more > 0 => len += more,
            _ => return,
        }
    }
    let _ = stream.write_all(bytes).await;
}
