// A host socket served by a thread of its own, for tests.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "veneer/xencompat/xenstore/host_socket.h"

namespace veneer::test {

class SocketServer {
 public:
  SocketServer(XenstoreService& service, const std::string& path)
      : path_(path),
        loop_(EventLoop::Create().value()),
        socket_(XenstoreHostSocket::Create(service, *loop_, path).value()),
        thread_([this] { loop_->Run(); }) {}
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;
  ~SocketServer() {
    loop_->Stop();
    thread_.join();
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<XenstoreHostSocket> socket_;
  std::thread thread_;
};

}  // namespace veneer::test
