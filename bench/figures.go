package main

import (
	"math"
	"slices"
	"time"
)

// percentile is the smallest value that at least the share p of all values do not exceed; 0 of
// none. The values must be sorted.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p*float64(len(sorted)) - 1e-9)) // 0.99*100 is a little more than 99
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// shown is a percentile, or 0 when there are so few values that it would only be the largest.
func shown(sorted []time.Duration, p float64) time.Duration {
	if float64(len(sorted))*(1-p) < 1-1e-9 {
		return 0
	}
	return percentile(sorted, p)
}

// median is the middle value, or the mean of the two in the middle; NaN of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratios divides what was measured in the same round: rounds that only one side has count for
// nothing. So a machine that was slow for a while was slow for both.
func ratios(these, those map[int]float64) []float64 {
	var list []float64
	for round, value := range these {
		if other, ok := those[round]; ok && other != 0 {
			list = append(list, value/other)
		}
	}
	return list
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
