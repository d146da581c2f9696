// tailscale_control: Tailscale's own test control server, so that tailscaled can be measured beside us.
//
//	tailscale_control ADDR:PORT DERPMAP-FILE
//
// Every node that logs in is let in and sees every other one at once.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"

	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: tailscale_control ADDR:PORT DERPMAP-FILE")
	}
	text, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	relays := new(tailcfg.DERPMap)
	if err := json.Unmarshal(text, relays); err != nil {
		log.Fatal(err)
	}
	control := &testcontrol.Server{
		DERPMap:          relays,
		AllNodesSameUser: true,
		AllOnline:        true,
		ExplicitBaseURL:  "http://" + os.Args[1],
	}
	log.Fatal(http.ListenAndServe(os.Args[1], control))
}
