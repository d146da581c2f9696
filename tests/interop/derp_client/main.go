// Command derp_client drives a DERP relay with the field's own client library, unchanged.
//
//	derp_client check -relay ENTRY.json -mesh-key HEX64    one line "ok NAME" or "FAIL NAME why" a property
//	derp_client idle  -relay ENTRY.json -n 500             connects, says "ready", stays until stdin closes
//	derp_client flood -relay ENTRY.json -seconds 5 -size 1400   one line of JSON with what arrived
//
// ENTRY.json is one node of a relay map with its region's fields, as warren-relay prints it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/net/netmon"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"
)

var (
	relayFile = flag.String("relay", "", "file with the relay's map entry")
	meshKey   = flag.String("mesh-key", "", "the relay's mesh key, 64 hex digits")
	prefix    = flag.String("prefix", "derp", "of the names of checks")
	watches   = flag.Bool("watch", true, "check watching too: the library cannot over a WebSocket")
	number    = flag.Int("n", 100, "idle connections")
	seconds   = flag.Int("seconds", 5, "how long to flood")
	size      = flag.Int("size", 1400, "bytes of a flooded packet")
	pairs     = flag.Int("pairs", 1, "senders and receivers that flood")
	window    = flag.Int("window", 24, "packets on the way at a time: the receiver answers each quarter of it")
)

const patience = 5 * time.Second

type entry struct {
	tailcfg.DERPNode
	RegionCode, RegionName string
}

func region() *tailcfg.DERPRegion {
	text, err := os.ReadFile(*relayFile)
	if err != nil {
		fatal(err)
	}
	var e entry
	if err := json.Unmarshal(text, &e); err != nil {
		fatal(fmt.Errorf("%s: %w", *relayFile, err))
	}
	return &tailcfg.DERPRegion{RegionID: e.RegionID, RegionCode: e.RegionCode, Nodes: []*tailcfg.DERPNode{&e.DERPNode}}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "derp_client:", err)
	os.Exit(1)
}

// A peer is one connection and everything it has received.
type peer struct {
	*derphttp.Client
	got chan derp.ReceivedMessage
}

func dial(k key.NodePrivate, setUp func(*derphttp.Client)) (*peer, error) {
	p, err := dialDeaf(k, setUp)
	if err == nil {
		go p.receive()
	}
	return p, err
}

// dialDeaf makes a peer that reads nothing.
func dialDeaf(k key.NodePrivate, setUp func(*derphttp.Client)) (*peer, error) {
	r := region()
	c := derphttp.NewRegionClient(k, logger.Discard, netmon.NewStatic(), func() *tailcfg.DERPRegion { return r })
	c.SetCanAckPings(true)
	if setUp != nil {
		setUp(c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Connect(ctx); err != nil {
		return nil, err
	}
	return &peer{c, make(chan derp.ReceivedMessage, 1024)}, nil
}

func (p *peer) receive() {
	defer close(p.got)
	for {
		m, err := p.Recv()
		if err != nil {
			return
		}
		if packet, ok := m.(derp.ReceivedPacket); ok {
			packet.Data = bytes.Clone(packet.Data)
			m = packet
		}
		p.got <- m
	}
}

// expect waits for the first message that fits, and passes over others.
func (p *peer) expect(what string, fits func(derp.ReceivedMessage) bool) error {
	late := time.After(patience)
	for {
		select {
		case m, ok := <-p.got:
			if !ok {
				return fmt.Errorf("connection closed while waiting for %s", what)
			}
			if fits(m) {
				return nil
			}
		case <-late:
			return fmt.Errorf("no %s within %v", what, patience)
		}
	}
}

func (p *peer) expectPacket(from key.NodePublic, data []byte) error {
	return p.expect("packet", func(m derp.ReceivedMessage) bool {
		got, ok := m.(derp.ReceivedPacket)
		return ok && got.Source == from && bytes.Equal(got.Data, data)
	})
}

func (p *peer) expectGone(who key.NodePublic, why derp.PeerGoneReasonType) error {
	return p.expect("PeerGone", func(m derp.ReceivedMessage) bool {
		got, ok := m.(derp.PeerGoneMessage)
		return ok && got.Peer == who && got.Reason == why
	})
}

func twoPeers() (a, b *peer, err error) {
	if a, err = dial(key.NewNode(), nil); err != nil {
		return nil, nil, err
	}
	b, err = dial(key.NewNode(), nil)
	return a, b, err
}

// Packets cross only once both are logged in: the first may overtake the other's login.
func exchange(a, b *peer, data []byte) error {
	if err := a.ping(); err != nil {
		return err
	}
	if err := b.ping(); err != nil {
		return err
	}
	if err := a.Send(b.SelfPublicKey(), data); err != nil {
		return err
	}
	if err := b.expectPacket(a.SelfPublicKey(), data); err != nil {
		return err
	}
	if err := b.Send(a.SelfPublicKey(), data); err != nil {
		return err
	}
	return a.expectPacket(b.SelfPublicKey(), data)
}

func (p *peer) ping() error {
	data := [8]byte{1, 2, 3, 4, 5, 6, 7, byte(time.Now().UnixNano())}
	if err := p.SendPing(data); err != nil {
		return err
	}
	return p.expect("Pong", func(m derp.ReceivedMessage) bool {
		got, ok := m.(derp.PongMessage)
		return ok && got == data
	})
}

func checkBothWays() error {
	a, b, err := twoPeers()
	if err != nil {
		return err
	}
	defer a.Close()
	defer b.Close()
	for _, n := range []int{0, 1, 1400, 16384, derp.MaxPacketSize} {
		if err := exchange(a, b, bytes.Repeat([]byte{byte(n), 7}, (n+1)/2)[:n]); err != nil {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
	}
	return nil
}

func checkPing() error {
	p, err := dial(key.NewNode(), nil)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.ping()
}

func checkPreferred() error {
	p, err := dial(key.NewNode(), nil)
	if err != nil {
		return err
	}
	defer p.Close()
	p.NotePreferred(true)
	p.NotePreferred(false)
	return p.ping()
}

func checkGone() error {
	a, b, err := twoPeers()
	if err != nil {
		return err
	}
	defer b.Close()
	if err := exchange(a, b, []byte("before")); err != nil {
		return err
	}
	a.Close()
	return b.expectGone(a.SelfPublicKey(), derp.PeerGoneReasonDisconnected)
}

func checkNotHere() error {
	p, err := dial(key.NewNode(), nil)
	if err != nil {
		return err
	}
	defer p.Close()
	nobody := key.NewNode().Public()
	disco := append([]byte("TS\xf0\x9f\x92\xac"), make([]byte, 80)...)
	if err := p.Send(nobody, disco); err != nil {
		return err
	}
	return p.expectGone(nobody, derp.PeerGoneReasonNotHere)
}

// The newest connection of a key gets what is sent to it, until an older one speaks.
func checkDuplicate() error {
	k := key.NewNode()
	a, err := dial(key.NewNode(), nil)
	if err != nil {
		return err
	}
	defer a.Close()
	old, err := dial(k, nil)
	if err != nil {
		return err
	}
	defer old.Close()
	if err := exchange(a, old, []byte("one")); err != nil {
		return err
	}
	newer, err := dial(k, nil)
	if err != nil {
		return err
	}
	defer newer.Close()
	if err := exchange(a, newer, []byte("two")); err != nil {
		return fmt.Errorf("newer: %w", err)
	}
	return exchange(a, old, []byte("three"))
}

// Who reads nothing while packets wait is closed within seconds, and nobody else is held up.
func checkSlowReader() error {
	a, b, err := twoPeers()
	if err != nil {
		return err
	}
	defer a.Close()
	defer b.Close()
	slow, err := dialDeaf(key.NewNode(), nil)
	if err != nil {
		return err
	}
	defer slow.Close()
	hello := []byte("hello")
	if err := slow.Send(a.SelfPublicKey(), hello); err != nil {
		return err
	}
	if err := a.expectPacket(slow.SelfPublicKey(), hello); err != nil {
		return err
	}
	bulk := make([]byte, derp.MaxPacketSize)
	for range 400 {
		if err := a.Send(slow.SelfPublicKey(), bulk); err != nil {
			return err
		}
	}
	if err := exchange(a, b, []byte("meanwhile")); err != nil {
		return err
	}
	return a.expectGone(slow.SelfPublicKey(), derp.PeerGoneReasonDisconnected)
}

func meshPeer(watch bool) (*peer, error) {
	k, err := key.ParseDERPMesh(*meshKey)
	if err != nil {
		return nil, err
	}
	return dial(key.NewNode(), func(c *derphttp.Client) {
		c.MeshKey = k
		c.WatchConnectionChanges = watch
	})
}

func checkWatch() error {
	w, err := meshPeer(true)
	if err != nil {
		return err
	}
	defer w.Close()
	p, err := dial(key.NewNode(), nil)
	if err != nil {
		return err
	}
	err = w.expect("PeerPresent", func(m derp.ReceivedMessage) bool {
		got, ok := m.(derp.PeerPresentMessage)
		return ok && got.Key == p.SelfPublicKey() && got.IPPort.Addr().IsLoopback() && got.Flags == derp.PeerPresentIsRegular
	})
	if err != nil {
		return err
	}
	p.Close()
	return w.expectGone(p.SelfPublicKey(), derp.PeerGoneReasonDisconnected)
}

func checkForward() error {
	m, err := meshPeer(false)
	if err != nil {
		return err
	}
	defer m.Close()
	p, err := dial(key.NewNode(), nil)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.ping(); err != nil {
		return err
	}
	far := key.NewNode().Public()
	if err := m.ForwardPacket(far, p.SelfPublicKey(), []byte("from afar")); err != nil {
		return err
	}
	if err := p.expectPacket(far, []byte("from afar")); err != nil {
		return err
	}
	if err := m.ClosePeer(p.SelfPublicKey()); err != nil {
		return err
	}
	return p.expectClose()
}

// expectClose waits for the end of the connection.
func (p *peer) expectClose() error {
	err := p.expect("end", func(derp.ReceivedMessage) bool { return false })
	if _, ok := <-p.got; !ok {
		return nil
	}
	return err
}

func checkWatchNeedsKey() error {
	p, err := dial(key.NewNode(), func(c *derphttp.Client) { c.WatchConnectionChanges = true })
	if err != nil {
		return err
	}
	defer p.Close()
	return p.expectClose()
}

func check() int {
	failed := 0
	needsWatch := map[string]bool{"watch": true, "watch-needs-key": true}
	for _, c := range []struct {
		name string
		run  func() error
	}{
		{"both-ways", checkBothWays}, {"ping", checkPing}, {"preferred", checkPreferred}, {"peer-gone", checkGone},
		{"not-here", checkNotHere}, {"duplicate", checkDuplicate}, {"slow-reader", checkSlowReader}, {"watch", checkWatch}, {"forward", checkForward},
		{"watch-needs-key", checkWatchNeedsKey},
	} {
		if needsWatch[c.name] && !*watches {
			continue
		}
		if err := c.run(); err != nil {
			failed = 1
			fmt.Printf("FAIL %s-%s %v\n", *prefix, c.name, err)
		} else {
			fmt.Printf("ok %s-%s\n", *prefix, c.name)
		}
	}
	return failed
}

func idle() int {
	peers := make([]*peer, *number)
	var wait sync.WaitGroup
	slots := make(chan struct{}, 16)
	var failed atomic.Int64
	for i := range peers {
		wait.Add(1)
		slots <- struct{}{}
		go func() {
			defer wait.Done()
			p, err := dial(key.NewNode(), nil)
			if err != nil || p.ping() != nil {
				failed.Add(1)
			}
			peers[i] = p
			<-slots
		}()
	}
	wait.Wait()
	fmt.Printf("ready %d\n", int64(*number)-failed.Load())
	io.Copy(io.Discard, os.Stdin)
	return 0
}

type flooded struct {
	Seconds                float64
	Sent, Received         int64
	MbitPerSecond, LossPct float64
}

// stream sends to b until end with at most a window on the way, as a transport would. Lost packets free
// their place after 200 ms.
func stream(a, b *peer, end time.Time, sent, received *atomic.Int64) {
	quarter := max(*window/4, 1)
	go func() {
		for n := 0; ; n++ {
			m, ok := <-b.got
			if !ok {
				return
			}
			if _, ok := m.(derp.ReceivedPacket); !ok {
				n--
				continue
			}
			received.Add(1)
			if n%quarter == quarter-1 {
				b.Send(a.SelfPublicKey(), []byte{1})
			}
		}
	}()
	data := make([]byte, *size)
	for credit := *window; time.Now().Before(end); credit-- {
		for credit == 0 {
			select {
			case m := <-a.got:
				if _, ok := m.(derp.ReceivedPacket); ok {
					credit += quarter
				}
			case <-time.After(200 * time.Millisecond):
				credit = *window
			}
		}
		if a.Send(b.SelfPublicKey(), data) != nil {
			return
		}
		sent.Add(1)
	}
}

func flood() int {
	var sent, received atomic.Int64
	var wait sync.WaitGroup
	start := time.Now()
	end := start.Add(time.Duration(*seconds) * time.Second)
	for range *pairs {
		a, b, err := twoPeers()
		if err == nil {
			err = errors.Join(a.ping(), b.ping())
		}
		if err != nil {
			fatal(err)
		}
		wait.Add(1)
		go func() {
			defer wait.Done()
			stream(a, b, end, &sent, &received)
		}()
	}
	wait.Wait()
	took := time.Since(start).Seconds()
	r := flooded{Seconds: took, Sent: sent.Load(), Received: received.Load()}
	r.MbitPerSecond = float64(r.Received) * float64(*size) * 8 / took / 1e6
	r.LossPct = 100 * (1 - float64(r.Received)/float64(r.Sent))
	json.NewEncoder(os.Stdout).Encode(r)
	return 0
}

func main() {
	if len(os.Args) < 2 {
		fatal(errors.New("check, idle or flood"))
	}
	flag.CommandLine.Parse(os.Args[2:])
	switch os.Args[1] {
	case "check":
		os.Exit(check())
	case "idle":
		os.Exit(idle())
	case "flood":
		os.Exit(flood())
	}
	fatal(errors.New("check, idle or flood"))
}
