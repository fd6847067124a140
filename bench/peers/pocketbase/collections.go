package main

import (
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/migrations"
)

func init() { migrations.Register(makeCollections, nil) }

// makeCollections is the schema of the other peers, as collections: their ids are texts.
func makeCollections(app core.App) error {
	partners := core.NewBaseCollection("partners")
	partners.Fields.Add(&core.TextField{Name: "code", Required: true})
	partners.AddIndex("idx_partners_code", true, "code", "")

	clicks := core.NewBaseCollection("clicks")
	clicks.Fields.Add(&core.RelationField{Name: "partner", CollectionId: partners.Id, MaxSelect: 1, Required: true})

	orders := core.NewBaseCollection("orders")
	orders.Fields.Add(&core.RelationField{Name: "click", CollectionId: clicks.Id, MaxSelect: 1, Required: true})

	payments := core.NewBaseCollection("payments")
	payments.Fields.Add(
		&core.TextField{Name: "order_id", Required: true},
		&core.NumberField{Name: "amount", OnlyInt: true}) // paise

	commissions := core.NewBaseCollection("commissions")
	commissions.Fields.Add(
		&core.RelationField{Name: "partner", CollectionId: partners.Id, MaxSelect: 1, Required: true},
		&core.NumberField{Name: "amount", OnlyInt: true}) // paise

	messages := core.NewBaseCollection("messages")
	messages.Fields.Add(&core.TextField{Name: "body", Max: 64 << 10}) // as it came

	for _, c := range []*core.Collection{partners, clicks, orders, payments, commissions, messages} {
		// Ids are given by others, and longer than PocketBase's own.
		id := c.Fields.GetByName("id").(*core.TextField)
		id.Pattern, id.Min, id.Max = `^[A-Za-z0-9_@-]+$`, 0, 64
		if err := app.Save(c); err != nil {
			return err
		}
	}
	return nil
}
