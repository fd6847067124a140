package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// answerWithin is how long a request may take before the run is given up.
const answerWithin = 30 * time.Second

// wire is one connection that is kept open. It sends bytes that were made before the clock started:
// the programs measured share the machine with this one, so what it does not do while they work is
// measured as little as possible.
type wire struct {
	addr   string
	conn   net.Conn
	reader *bufio.Reader
}

func (w *wire) dial() (err error) {
	if w.conn, err = net.DialTimeout("tcp", w.addr, 5*time.Second); err != nil {
		return err
	}
	if w.reader == nil {
		w.reader = bufio.NewReader(w.conn)
	}
	w.reader.Reset(w.conn)
	return nil
}

func (w *wire) close() {
	if w.conn != nil {
		w.conn.Close()
	}
	w.conn = nil
}

// send writes one whole request and reads the whole answer.
func (w *wire) send(request []byte) (status int, err error) {
	if w.conn == nil {
		if err := w.dial(); err != nil {
			return 0, err
		}
	}
	if err := w.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, err
	}
	if _, err := w.conn.Write(request); err != nil {
		return 0, fmt.Errorf("sending a request: %w", err)
	}
	answer, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		return 0, fmt.Errorf("reading an answer: %w", err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0, fmt.Errorf("reading an answer: %w", err)
	}
	if answer.Close {
		w.close()
	}
	return answer.StatusCode, nil
}

// dialAll opens so many connections.
func dialAll(addr string, connections int) ([]*wire, error) {
	wires := make([]*wire, connections)
	for i := range wires {
		wires[i] = &wire{addr: addr}
		if err := wires[i].dial(); err != nil {
			closeAll(wires[:i])
			return nil, err
		}
	}
	return wires, nil
}

func closeAll(wires []*wire) {
	for _, w := range wires {
		w.close()
	}
}
