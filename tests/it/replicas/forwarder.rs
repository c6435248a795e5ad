//! A way to a server that can be cut: both ends then believe that the other one is there, and what they say is
//! lost.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(super) struct Forwarder {
    /// Where it listens on 127.0.0.1.
    pub(super) port: u16,
    is_cut: watch::Sender<bool>,
}

impl Forwarder {
    /// A way to this port of 127.0.0.1.
    pub(super) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_cut, cuts) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, to, cuts.clone()));
            }
        });
        Self { port, is_cut }
    }

    /// From here on nothing arrives.
    pub(super) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// The way is open again, for new connections.
    pub(super) fn heal(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn forward(mut client: TcpStream, to: u16, mut cuts: watch::Receiver<bool>) {
    let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        _ = cuts.wait_for(|is_cut| *is_cut) => {}
    }
    let _ = cuts.wait_for(|is_cut| !is_cut).await;
}
