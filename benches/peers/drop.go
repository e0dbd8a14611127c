// drop -dir DIR [-durable]: a daemon with four workers on inotify, with the standard library alone. Durable: it flushes each result
// and its directory before the original is moved away.
package main

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

const workers = 4

var (
	dir     = flag.String("dir", ".", "with inbox, results and archive")
	durable = flag.Bool("durable", false, "flush each result and its directory")
	lock    sync.Mutex
	taken   = map[string]bool{}
)

func process(name string) error {
	inbox := filepath.Join(*dir, "inbox", name)
	data, err := os.ReadFile(inbox)
	if err != nil {
		return err
	}
	reader := csv.NewReader(bytes.NewReader(data))
	reader.ReuseRecord = true
	rows, sum := -1, int64(0)
	for {
		record, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if rows++; rows == 0 {
			continue
		}
		value, err := strconv.ParseInt(record[2], 10, 64)
		if err != nil {
			return err
		}
		sum += value
	}
	if err := publish(name, fmt.Sprintf("{\"file\":%q,\"rows\":%d,\"sum\":%d}\n", name, rows, sum)); err != nil {
		return err
	}
	return os.Rename(inbox, filepath.Join(*dir, "archive", name))
}

func publish(name, result string) error {
	results := filepath.Join(*dir, "results")
	hidden := filepath.Join(results, "."+name+".tmp")
	file, err := os.Create(hidden)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(result); err != nil {
		return err
	}
	if *durable {
		if err := file.Sync(); err != nil {
			return err
		}
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(hidden, filepath.Join(results, name+".json")); err != nil || !*durable {
		return err
	}
	directory, err := os.Open(results)
	if err != nil {
		return err
	}
	defer directory.Close()
	return directory.Sync()
}

func take(names chan<- string, name string) {
	lock.Lock()
	known := taken[name]
	taken[name] = true
	lock.Unlock()
	if !known && strings.HasSuffix(name, ".csv") {
		names <- name
	}
}

func scan(names chan<- string) {
	entries, err := os.ReadDir(filepath.Join(*dir, "inbox"))
	if err != nil {
		log.Fatal(err)
	}
	for _, entry := range entries {
		take(names, entry.Name())
	}
}

func watch(names chan<- string) {
	inotify, err := syscall.InotifyInit1(syscall.IN_CLOEXEC)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := syscall.InotifyAddWatch(inotify, filepath.Join(*dir, "inbox"), syscall.IN_MOVED_TO|syscall.IN_CLOSE_WRITE); err != nil {
		log.Fatal(err)
	}
	scan(names)
	buffer := make([]byte, 64<<10)
	for {
		length, err := syscall.Read(inotify, buffer)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		for at := 0; at < length; {
			event := (*syscall.InotifyEvent)(unsafe.Pointer(&buffer[at]))
			at += syscall.SizeofInotifyEvent
			name := string(bytes.TrimRight(buffer[at:at+int(event.Len)], "\x00"))
			at += int(event.Len)
			if event.Mask&syscall.IN_Q_OVERFLOW != 0 {
				scan(names)
			} else {
				take(names, name)
			}
		}
	}
}

func main() {
	flag.Parse()
	names := make(chan string)
	for worker := 0; worker < workers; worker++ {
		go func() {
			for name := range names {
				if err := process(name); err != nil {
					log.Printf("%s: %v", name, err)
				}
			}
		}()
	}
	go watch(names)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}
