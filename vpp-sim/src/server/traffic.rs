//! Synthetic packets on their way through the plugin.

use std::error::Error;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::MainLoop;
use crate::flows::FlowPacket;
use crate::lb::{Passage, VipCounter};

impl MainLoop {
    /// Sends the packets that have become due. A packet may be VPP's end.
    pub(super) fn send_packets(&mut self) {
        let now = self.epoch.elapsed();
        while let Some(flow) = self.flows.poll_packet(now, &self.process.vpp.lb) {
            if let Err(cause) = self.send_packet(&flow) {
                return self.crash(cause.as_ref());
            }
        }
        self.shared.flows_under_way.store(self.flows.under_way(), Ordering::Relaxed);
    }

    fn send_packet(&mut self, flow: &FlowPacket) -> Result<(), Box<dyn Error>> {
        let seconds = self.process.now().seconds();
        let packet = &flow.packet;
        let vpp = &mut self.process.vpp;
        let passage = vpp.lb.forward(&vpp.fib, seconds, packet)?;
        self.process.board.count(packet.thread, packet.bytes, passage.as_ref())?;
        if let Some(passage) = passage.filter(|_| flow.is_first) {
            self.account(&passage);
        }
        Ok(())
    }

    /// Counts a new flow. One that VPP takes for an old one, because its hash is the same, is none.
    fn account(&self, passage: &Passage) {
        if passage.counter == VipCounter::Next {
            return;
        }
        self.shared.new_flows.fetch_add(1, Ordering::Relaxed);
        let Some(served) = passage.server else {
            self.shared.new_flows_dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if !served.is_weighted {
            self.shared.new_flows_to_zero_weight.fetch_add(1, Ordering::Relaxed);
        }
        let dead = self.shared.dead.lock().unwrap_or_else(PoisonError::into_inner);
        if dead.contains(&served.address.to_ip()) {
            self.shared.new_flows_to_dead.fetch_add(1, Ordering::Relaxed);
        }
    }
}
