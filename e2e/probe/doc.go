// Command probe is what the pods of the tests run: a server that counts what reaches it, a sender
// that numbers what it sends, and single tries.
//
//	probe serve  answers on TCP and UDP ports and counts the packets of each flow that arrive
//	probe told   prints what the server in the same pod has counted
//	probe send   sends one flow at a steady rate and prints what was sent and answered
//	probe begin  sends what is forbidden first, and prints when something permitted was answered
//	probe try    asks a list of targets once each, all at the same time
//
// Of a forbidden flow, what the server received is the leak; of a permitted one, what it did not is
// the break. What happens between two packets is not seen: that is 1 ms at the usual 1,000 a
// second, and as much more as the sender reports to have been late.
package main
