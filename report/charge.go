package report

import (
	"math"

	"github.com/lambdapool/lambdapool"
	"github.com/lambdapool/lambdapool/price"
)

// rates are in US dollars, the highest that a backend has named. Both zero: none has.
type rates struct{ perGBSecond, perRequest float64 }

func (r *rates) add(told *lambdapool.Record) {
	r.perGBSecond, r.perRequest = max(r.perGBSecond, told.PerGBSecond), max(r.perRequest, told.PerRequest)
}

// named reports whether a backend has.
func (r *rates) named() bool { return *r != rates{} }

// charge estimates the cost: by the prices that the backend has named, or else by AWS Lambda's. Where nothing
// was billed and no memory setting is known, as on package inproc, there is none, and no price either.
func (r *Report) charge(arch price.Arch) {
	if r.rates.named() {
		r.Price = Price{PerGBSecond: r.rates.perGBSecond, PerMillionRequests: r.rates.perRequest * 1e6}
		if cloud := price.CloudRun(); math.Abs(r.Price.PerMillionRequests-cloud.PerMillionRequests) < 1e-9 {
			r.Price.Platform, r.Price.Region, r.Price.Date, r.Price.Source = cloud.Name, cloud.Region, cloud.Date, cloud.Source
		}
		r.Cost = r.GBSeconds*r.rates.perGBSecond + float64(r.Requests)*r.rates.perRequest
		return
	}
	if !r.charged() {
		r.Requests = 0
		return
	}
	r.Price = Price{
		Platform: price.Lambda().Name, Arch: arch, Region: price.Region, Date: price.Date, Source: price.Source,
		PerGBSecond: price.PerGBSecond(arch), PerMillionRequests: price.PerMillionRequests,
	}
	r.Cost = price.Cost(r.GBSeconds, r.Requests, arch)
}

// charged reports whether the functions ran where somebody charges for it, or on this machine's stand-in.
func (r *Report) charged() bool { return r.Billed > 0 || r.Memory > 0 || r.rates.named() }

// charges are what each part of the cost is of.
func (r *Report) charges() (run, requests float64) {
	if r.rates.named() {
		return r.GBSeconds * r.rates.perGBSecond, float64(r.Requests) * r.rates.perRequest
	}
	return price.Cost(r.GBSeconds, 0, r.Price.Arch), price.Cost(0, r.Requests, r.Price.Arch)
}
