package client_test

import (
	"context"
	"fmt"
	"log"

	"bellhop/client"
)

// Open a session and say something: Send returns when the message is in the log.
func ExampleClient() {
	server := newFake() // yours is at its own address
	defer server.stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Options{URL: server.URL, Token: "a participant's token", OnEvent: func(e client.Event) {
		if m, ok := e.(*client.MessageEvent); ok {
			fmt.Println(m.From.Name+":", m.Text())
		}
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	s, err := c.Open(ctx, client.OpenRequest{Subject: "my order"})
	if err != nil {
		log.Fatal(err)
	}
	sent, err := c.SendText(ctx, s.ID, "Where is my parcel?")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("message", sent.Seq)
	// Output: message 1
}
