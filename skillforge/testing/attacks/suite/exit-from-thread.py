# expect: died|exit|error
# what: a thread that ends the whole process, with success
import os
import threading

print("all tests passed")
threading.Thread(target=os._exit, args=(0,)).start()
threading.Event().wait(60)
